"""Train a dense and a mixed-scale Segmenter on DigitScenes and compare them: everything that msvit is about, in minutes.

python tools/demo.py

Both start from the same small plain ViT that ships with the package and get the same recipe; they differ in their tokens
alone. Figures go to WORK_DIR/demo.json, pictures to WORK_DIR/demo.png and, by the validation hook, below WORK_DIR/mixed.
"""

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from rich.console import Console
from rich.table import Table
from torch import nn
from tqdm import tqdm

from msvit.analysis.latency import seconds_per_item
from msvit.analysis.regions import FineShare, fine_share, holds_foreground
from msvit.analysis.sweep.results import final_validation, last_checkpoint
from msvit.engine.load_model import load_model

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / 'tools'
CONFIGS = {
    name: ROOT / 'configs' / f'{prefix}_mini8_192x192_digit_scenes.py'
    for name, prefix in (('dense', 'seg'), ('mixed', 'msseg'))
}
TIMED, DRAWN = 6, 4  # of the validation scenes
console = Console()


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/demo'), help='where everything goes (default: %(default)s)'
    )
    parser.add_argument('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='settings for both trainings')
    args = parser.parse_args()
    start = time.perf_counter()
    figures = {name: train(name, args.work_dir / name, args.cfg_options) for name in CONFIGS}

    console.rule('Looking at the gate')
    models = {name: load_model(used_config(args.work_dir / name), last_checkpoint(args.work_dir / name)) for name in CONFIGS}
    dataset = DATASETS.build(used_config(args.work_dir / 'mixed').val_dataloader.dataset)
    share = look_at_regions(models['mixed'], dataset)
    figures['fine_share'] = share._asdict()
    inputs = [models['dense'].data_preprocessor(pseudo_collate([dataset[i]]))['inputs'] for i in range(TIMED)]
    figures['speedup'] = time_ratio(models, inputs)
    draw(args.work_dir)
    figures['minutes'] = (time.perf_counter() - start) / 60
    (args.work_dir / 'demo.json').write_text(json.dumps(figures, indent=2) + '\n')
    report(figures, share)
    console.print(
        f'Figures: {args.work_dir / "demo.json"}   Pictures: {args.work_dir / "demo.png"}, {args.work_dir / "mixed"}'
    )


def train(name: str, work_dir: Path, cfg_options: list[str]) -> dict[str, float]:
    """Train one twin with the ordinary tool; returns the figures of its last validation."""
    options = ['--cfg-options', *cfg_options] if cfg_options else []
    call(f'Training the {name} twin', TOOLS / 'train.py', CONFIGS[name], '--work-dir', work_dir, *options)
    figures = final_validation(work_dir)
    if figures is None:
        sys.exit(f'Training the {name} twin: it ended without a validation behind its last iteration, {work_dir} has none')
    return figures


def call(title: str, *arguments: object) -> None:
    """Run one of the project's tools as a user would, showing the command."""
    command = [sys.executable, *map(str, arguments)]
    console.rule(title)
    console.print('$ python ' + ' '.join(command[1:]).replace(f'{ROOT}/', ''), highlight=False, soft_wrap=True)
    result = subprocess.run(command, check=False)
    if result.returncode:
        sys.exit(f'{title}: failed with exit code {result.returncode}; the messages are above')


def used_config(work_dir: Path) -> Config:
    """The config that a training ran with."""
    return Config.fromfile(config_file(work_dir))


def config_file(work_dir: Path) -> Path:
    """The config that a training ran with, as the runner left it in its work dir."""
    (file,) = work_dir.glob('*.py')
    return file


@torch.inference_mode()
def look_at_regions(model: nn.Module, dataset: torch.utils.data.Dataset) -> FineShare:
    """How often the gate makes regions fine that hold a digit, and regions that hold none."""
    masks, foregrounds = [], []
    for sample in tqdm(dataset, desc='gate', leave=False):
        data = model.data_preprocessor(pseudo_collate([sample]))
        masks.append(model.backbone.decide(data['inputs']).fine_mask)
        labels = data['data_samples'][0].gt_sem_seg.data
        foregrounds.append(holds_foreground(labels, model.backbone.coarse_patch_size))
    return fine_share(torch.cat(masks), torch.cat(foregrounds))


@torch.inference_mode()
def time_ratio(models: dict[str, nn.Module], inputs: list[torch.Tensor]) -> float:
    """How many times faster the mixed twin is, image in, logits out, one image at a time."""
    runs = {name: partial(model, mode='tensor') for name, model in models.items()}
    seconds = seconds_per_item(runs, inputs, rounds=20)
    return seconds['dense'] / seconds['mixed']


def draw(work_dir: Path) -> None:
    """A row for each of four scenes: image, tokens, p_fine, both predictions and ground truth."""
    mixed, dense = ((config_file(work_dir / name), last_checkpoint(work_dir / name)) for name in ('mixed', 'dense'))
    picture = ('--picture', work_dir / 'demo.png', '--overwrite')
    call('Drawing scenes', '-m', 'msvit', 'scales', *mixed, '--dense', *dense, '--num-images', DRAWN, *picture)


def report(figures: dict, share: FineShare) -> None:
    """Print what came out."""
    dense, mixed = figures['dense'], figures['mixed']
    table = Table(title='DigitScenes, validation')
    for column in ('', 'dense', 'mixed-scale', 'mixed against dense'):
        table.add_column(column, justify='left' if not column else 'right')
    rows = (('mIoU', 'mIoU', 2), ('tokens per image', 'tokens/count_mean', 1), ('GMACs per image', 'tokens/gmacs_mean', 4))
    for title, key, digits in rows:
        change = f'{mixed[key] - dense[key]:+.2f}' if key == 'mIoU' else f'{mixed[key] / dense[key]:.3f}x'
        table.add_row(title, f'{dense[key]:.{digits}f}', f'{mixed[key]:.{digits}f}', change)
    table.add_row('speed, one image at a time', '', '', f'{figures["speedup"]:.2f}x')
    console.print(table)
    console.print(f'Regions that hold a digit are fine in {share.foreground:.1%} of cases, others in {share.background:.1%}.')
    console.print(f'{figures["minutes"]:.1f} minutes in all.')


if __name__ == '__main__':
    main()

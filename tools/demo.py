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
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import nn
from tqdm import tqdm

from msvit.analysis.latency import interleaved_medians
from msvit.analysis.load_model import load_model
from msvit.analysis.regions import FineShare, fine_share, holds_foreground
from msvit.analysis.scale_map import draw_scale_map, draw_segmentation, enlarge, panel, resize

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = {
    name: ROOT / 'configs' / f'{prefix}_mini8_128x128_digit_scenes.py'
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
    figures = {name: train_and_test(name, args.work_dir / name, args.cfg_options) for name in CONFIGS}

    console.rule('Looking at the gate')
    models = {name: load_model(used_config(args.work_dir / name), last_checkpoint(args.work_dir / name)) for name in CONFIGS}
    dataset = DATASETS.build(used_config(args.work_dir / 'mixed').val_dataloader.dataset)
    share = look_at_regions(models['mixed'], dataset)
    figures['fine_share'] = share._asdict()
    inputs = [models['dense'].data_preprocessor(pseudo_collate([dataset[i]]))['inputs'] for i in range(TIMED)]
    figures['speedup'] = time_ratio(models, inputs)
    draw(models, dataset, args.work_dir / 'demo.png')
    figures['minutes'] = (time.perf_counter() - start) / 60
    (args.work_dir / 'demo.json').write_text(json.dumps(figures, indent=2) + '\n')
    report(figures, share)
    console.print(
        f'Figures: {args.work_dir / "demo.json"}   Pictures: {args.work_dir / "demo.png"}, {args.work_dir / "mixed"}'
    )


def train_and_test(name: str, work_dir: Path, cfg_options: list[str]) -> dict[str, float]:
    """Train one twin and evaluate it with the ordinary tools; returns the evaluation's figures."""
    options = ['--cfg-options', *cfg_options] if cfg_options else []
    call(f'Training the {name} twin', 'train.py', CONFIGS[name], '--work-dir', work_dir, *options)
    out = work_dir / 'test.json'
    call(
        f'Evaluating the {name} twin',
        'test.py',
        CONFIGS[name],
        last_checkpoint(work_dir),
        '--work-dir',
        work_dir,
        '--out',
        out,
        *options,
    )
    return json.loads(out.read_text())['metrics']


def call(title: str, tool: str, *arguments: object) -> None:
    """Run one of the project's tools as a user would, showing the command."""
    command = [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)]
    console.rule(title)
    console.print('$ python ' + ' '.join(command[1:]).replace(f'{ROOT}/', ''), highlight=False, soft_wrap=True)
    result = subprocess.run(command, check=False)
    if result.returncode:
        sys.exit(f'{tool} failed with exit code {result.returncode}; its messages are above')


def last_checkpoint(work_dir: Path) -> Path:
    """The checkpoint at the end of a training."""
    return Path((work_dir / 'last_checkpoint').read_text().strip())


def used_config(work_dir: Path) -> Config:
    """The config that a training ran with, as the runner left it in its work dir."""
    (file,) = work_dir.glob('*.py')
    return Config.fromfile(file)


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
    twins = {name: models[name] for name in ('dense', 'mixed')}
    runs = {name: lambda model=model: [model(image, mode='tensor') for image in inputs] for name, model in twins.items()}
    seconds = interleaved_medians(runs)
    return seconds['dense'] / seconds['mixed']


@torch.inference_mode()
def draw(models: dict[str, nn.Module], dataset: torch.utils.data.Dataset, path: Path) -> None:
    """One row for each of the first scenes: image, tokens, both predictions and ground truth."""
    backbone, palette = models['mixed'].backbone, dataset.metainfo['palette']
    rows = []
    for i in range(DRAWN):
        data = pseudo_collate([dataset[i]])
        image = enlarge(data['inputs'][0].permute(1, 2, 0).flip(-1).numpy())
        tokens = backbone.tokenize(models['mixed'].data_preprocessor(data)['inputs'])
        scales = draw_scale_map(
            image, tokens.fine_mask[0], backbone.patch_size, backbone.coarse_patch_size, data['inputs'][0].shape[1:]
        )
        labels = {f'{name} prediction': model.test_step(data)[0].pred_sem_seg for name, model in reversed(models.items())}
        labels['ground truth'] = data['data_samples'][0].gt_sem_seg
        drawn = [
            draw_segmentation(image, resize(label.data[0].byte().numpy(), image.shape[:2]), palette)
            for label in labels.values()
        ]
        rows.append(panel([image, scales, *drawn], ['image', f'{tokens.counts.item()} tokens', *labels]))
    Image.fromarray(np.concatenate(rows)).resize((rows[0].shape[1] // 2, sum(len(row) for row in rows) // 2)).save(path)


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

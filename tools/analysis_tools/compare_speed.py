"""Time two trained segmenters against each other, image in, class scores out, one image at a time, on the test set's images.

python tools/analysis_tools/compare_speed.py --first DENSE_CONFIG DENSE_CHECKPOINT --second MIXED_CONFIG MIXED_CHECKPOINT

The two take turns on the same images, so that a busy machine disturbs both alike; the ratio is what counts.
"""

import argparse
import json
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from rich.console import Console
from rich.table import Table

from msvit.analysis.latency import interleaved_medians
from msvit.analysis.load_model import load_model


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('--first', '--second'):
        parser.add_argument(name, nargs=2, required=True, metavar=('CONFIG', 'CHECKPOINT'))
    parser.add_argument('--images', type=int, default=10, help='images in each round, evenly drawn (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=7, help='timed rounds (default: %(default)s)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE', help='for both configs'
    )
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write the figures to this file')
    return parser.parse_args(argv)


def read_config(file: str, options: dict) -> Config:
    """A config with the options of the command line."""
    cfg = Config.fromfile(file)
    cfg.merge_from_dict(options)
    return cfg


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    configs = [read_config(config, args.cfg_options) for config, _ in (args.first, args.second)]
    first, second = (load_model(cfg, pair[1]) for cfg, pair in zip(configs, (args.first, args.second), strict=True))
    dataset = DATASETS.build(configs[1].test_dataloader.dataset)
    chosen = torch.linspace(0, len(dataset) - 1, min(args.images, len(dataset))).long().tolist()
    inputs = [second.data_preprocessor(pseudo_collate([dataset[i]]))['inputs'] for i in chosen]
    models = dict(first=first, second=second)
    runs = {name: lambda model=model: [model(image, mode='tensor') for image in inputs] for name, model in models.items()}
    with torch.inference_mode():
        seconds = [median / len(inputs) for median in interleaved_medians(runs, args.rounds, warm_up=1).values()]
    figures = dict(first=args.first[0], second=args.second[0], seconds_per_image=seconds, speedup=seconds[0] / seconds[1])
    figures.update(images=len(inputs), rounds=args.rounds, threads=torch.get_num_threads(), torch=torch.__version__)
    table = Table('', 'ms per image', 'times faster', title=f'{len(inputs)} images, {figures["threads"]} CPU threads')
    for (config, _), time in zip((args.first, args.second), seconds, strict=True):
        table.add_row(Path(config).stem, f'{1000 * time:.1f}', f'{seconds[0] / time:.2f}')
    Console().print(table)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(figures, indent=2) + '\n')


if __name__ == '__main__':
    main()

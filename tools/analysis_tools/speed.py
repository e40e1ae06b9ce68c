"""Measure what mixed-scale tokens gain on this machine: one table of ratios, each from runs that take turns.

python tools/analysis_tools/speed.py                              # everything, under 5 minutes on two CPU cores
python tools/analysis_tools/speed.py --groups vit segmenter --rounds 30
python tools/analysis_tools/speed.py --device cuda --dtype bfloat16 --out work_dirs/speed_gpu.json

Weights are random: time does not depend on what a model learned.
"""

import argparse
import json
import platform
import warnings
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from msvit.analysis.speed import GROUPS, Row, Setting


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--groups', nargs='+', choices=GROUPS, default=list(GROUPS), help='what to measure (default: all)')
    parser.add_argument(
        '--rounds',
        type=int,
        default=11,
        help='timed calls of each, half as many of slow ones (default: %(default)s)',
    )
    parser.add_argument('--device', type=torch.device, default=torch.device('cpu'), help='cpu or cuda (default: cpu)')
    parser.add_argument(
        '--dtype',
        choices=['float32', 'bfloat16', 'float16'],
        default='float32',
        help='of weights and images (default: float32)',
    )
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write the figures to this file')
    args = parser.parse_args(argv)
    if args.rounds < 1:
        parser.error('--rounds must be at least 1')
    if args.device.type == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda: torch finds no GPU here')
    return args


def draw(rows: list[Row], title: str) -> Table:
    """The table of ratios."""
    table = Table('what', 'against', 'times faster', 'asked for', 'times fewer MACs', 'note', title=title)
    for row in rows:
        asked, macs = ('' if value is None else f'{value:.2f}' for value in (row.asked, row.macs))
        table.add_row(row.name, row.baseline, f'{row.speedup:.2f}', asked, macs, row.note)
    return table


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    torch.manual_seed(0)
    setting = Setting(args.device, getattr(torch, args.dtype), args.rounds)
    rows = [row for group in args.groups for row in GROUPS[group](setting)]
    gpu = args.device.type == 'cuda'
    machine = torch.cuda.get_device_name(args.device) if gpu else f'{platform.machine()}, {torch.get_num_threads()} threads'
    Console(width=170).print(draw(rows, f'{machine}, torch {torch.__version__}, {args.dtype}'))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        figures = [{**asdict(row), 'speedup': row.speedup} for row in rows]
        about = dict(machine=machine, torch=torch.__version__, dtype=args.dtype, rounds=args.rounds)
        args.out.write_text(json.dumps({**about, 'rows': figures}, indent=2) + '\n')


if __name__ == '__main__':
    main()

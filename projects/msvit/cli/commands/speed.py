"""Measure what mixed-scale tokens gain on this machine: one table of ratios, each from runs that take turns.

  msvit speed                                        everything, under 10 minutes on two CPU cores
  msvit speed --groups vit segmenter --rounds 30
  msvit speed --device cuda --dtype bfloat16 --out work_dirs/speed_gpu.json

Weights are random: time does not depend on what a model learned.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

import torch

from ...analysis.latency import describe_machine, short
from ...analysis.speed import GROUPS, TOKENS, Row, Setting
from ...matrix_library import describe
from ..arguments import add_output, device, positive
from ..output import about, refuse_overwriting, say, show_rows, write_json


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('--groups', nargs='+', choices=GROUPS, default=list(GROUPS), help='what to measure (default: all)')
    parser.add_argument(
        '--rounds',
        type=positive,
        default=11,
        help='timed calls of each, half as many of slow ones (default: %(default)s)',
    )
    parser.add_argument('--device', type=device, default='cpu', help='cpu or cuda (default: cpu)')
    parser.add_argument(
        '--dtype',
        choices=['float32', 'bfloat16', 'float16'],
        default='float32',
        help='of weights and images (default: float32)',
    )
    parser.add_argument(
        '--batches',
        type=positive,
        nargs='+',
        help='batch sizes of the throughput group (default: 1, on a GPU 1 8 32 128)',
    )
    parser.add_argument(
        '--sizes', type=int, nargs='+', choices=TOKENS, default=list(TOKENS), help='its image sides (default: 512 224)'
    )
    add_output(parser)


def run(args: Namespace) -> None:
    refuse_overwriting(args)
    torch.manual_seed(0)
    batches = args.batches or ((1, 8, 32, 128) if args.device.type == 'cuda' else (1,))
    setting = Setting(args.device, getattr(torch, args.dtype), args.rounds, tuple(batches), tuple(args.sizes))
    machine, rows = describe_machine(args.device), []
    for group in args.groups:
        for row in GROUPS[group](setting):
            rows.append(row)
            _write(args, machine, rows)  # as it is found: a run that is cut off leaves what it has
    columns = {
        'what': '{name}',
        'against': '{baseline}',
        'times faster': '{speedup:.2f}',
        'asked for': '{asked}',
        'times fewer MACs': '{macs}',
        'note': '{notes}',
    }
    show_rows(map(_shown, rows), columns, f'{machine}, torch {torch.__version__}, {args.dtype}')
    if args.device.type == 'cpu':
        say(describe())


def _write(args: Namespace, machine: str, rows: list[Row]) -> None:
    figures = [{**row._asdict(), 'speedup': row.speedup, 'images_per_second': row.images_per_second} for row in rows]
    write_json(args.out, dict(about={**about(args), 'machine': machine}, rows=figures))


def _shown(row: Row) -> dict[str, Any]:
    ratios = {name: '' if (value := getattr(row, name)) is None else f'{value:.2f}' for name in ('asked', 'macs')}
    return {**row._asdict(), 'speedup': row.speedup, **ratios, 'notes': ', '.join(filter(None, _notes(row)))}


def _notes(row: Row) -> Iterator[str]:
    yield row.note
    if row.images_per_second:
        yield ' against '.join(short(rate) for rate in row.images_per_second) + ' images/s'
    if row.peak_bytes:
        yield ' against '.join(f'{size / 2**20:.0f}' for size in row.peak_bytes) + ' MiB'

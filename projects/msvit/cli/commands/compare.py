"""Time two trained models against each other, image in, class scores out, one image at a time, on the test set's images.

  msvit compare --first DENSE_CONFIG DENSE_CHECKPOINT --second MIXED_CONFIG MIXED_CHECKPOINT

The two take turns on the same images, so that a busy machine disturbs both alike; the ratio is what counts. The images are
those of the second config. "msvit latency" compares a model with itself without coarse tokens, image by image.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from mmengine.config import DictAction
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from rich.table import Table

from ...analysis.latency import describe_machine, interleaved_medians
from ...analysis.load_model import load_model
from ...engine.launch import read_config
from ..arguments import add_output, evenly, positive
from ..output import about, refuse_overwriting, show, write_json


def add_arguments(parser: ArgumentParser) -> None:
    for name in ('--first', '--second'):
        parser.add_argument(
            name, nargs=2, required=True, metavar=('CONFIG', 'CHECKPOINT'), help='config and weights of one of the two'
        )
    parser.add_argument(
        '--images', type=positive, default=10, help='images in each round, evenly drawn (default: %(default)s)'
    )
    parser.add_argument('--rounds', type=positive, default=7, help='timed rounds (default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='for both configs')
    add_output(parser)


def run(args: Namespace) -> None:
    refuse_overwriting(args)
    pairs = (args.first, args.second)
    configs = [read_config(config, args.cfg_options) for config, _ in pairs]
    first, second = (load_model(cfg, checkpoint) for cfg, (_, checkpoint) in zip(configs, pairs, strict=True))
    dataset = DATASETS.build(configs[1].test_dataloader.dataset)
    chosen = evenly(list(range(len(dataset))), args.images)
    inputs = [second.data_preprocessor(pseudo_collate([dataset[i]]))['inputs'] for i in chosen]
    models = dict(first=first, second=second)
    runs = {name: lambda model=model: [model(image, mode='tensor') for image in inputs] for name, model in models.items()}
    with torch.inference_mode():
        seconds = [median / len(inputs) for median in interleaved_medians(runs, args.rounds, warm_up=1).values()]
    machine = describe_machine(torch.device('cpu'))
    table = Table('', 'ms per image', 'times faster', title=f'{len(inputs)} images, {machine}')
    for (config, _), time in zip(pairs, seconds, strict=True):
        table.add_row(Path(config).stem, f'{1000 * time:.1f}', f'{seconds[0] / time:.2f}')
    show(table)
    figures = dict(images=len(inputs), seconds_per_image=seconds, speedup=seconds[0] / seconds[1])
    write_json(args.out, dict(about={**about(args), 'machine': machine}, **figures))

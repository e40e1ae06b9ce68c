"""Arguments that commands share: their kinds, their groups, and what follows from them."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import DictAction
from mmengine.device import get_device

from ..analysis.model import AnalysedModel
from ..analysis.samples import DatasetSamples, FileSamples
from ..engine.launch import read_config
from ..images import find_images
from .pages import own_pages


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f'must be a whole number from 1 on, got {text}')
    return int(text)


def share(text: str) -> float:
    """A number in [0, 1]."""
    value = float(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f'must lie in [0, 1], got {text}')
    return value


def budget(text: str) -> int | float:
    """A whole number of regions, or a share where there is a decimal point."""
    return int(text) if text.isdigit() else share(text)


def file_of(suffix: str) -> Callable[[str], Path]:
    """A file name that ends so."""

    def named(text: str) -> Path:
        if Path(text).suffix != suffix:
            raise ArgumentTypeError(f'name a {suffix} file, got {text}')
        return Path(text)

    return named


def device(text: str) -> torch.device:
    """A device of torch that is there."""
    try:
        found = torch.device(text)
    except RuntimeError as error:
        raise ArgumentTypeError(f'{text} is no device of torch: cpu, cuda, cuda:1...') from error
    if found.type == 'cuda' and not torch.cuda.is_available():
        raise ArgumentTypeError(f'{text}: torch finds no GPU here')
    return found


def add_model(parser: ArgumentParser, checkpoint: str | None = 'required') -> None:
    """The model: its config, its checkpoint ('required', 'optional' for random weights, or None), settings, device."""
    group = parser.add_argument_group('model')
    group.add_argument('config', help='config file, e.g. configs/msseg_mini8_128x128_digit_scenes.py')
    if checkpoint:
        kwargs: dict[str, Any] = {'nargs': '?'} if checkpoint == 'optional' else {}
        text = 'file, address or msvit:// name of its weights' + (' (default: random ones)' if kwargs else '')
        group.add_argument('checkpoint', help=text, **kwargs)
    group.add_argument('--threshold', type=share, metavar='T', help='fine where the gate says more than this, in [0, 1]')
    group.add_argument(
        '--budget', type=budget, metavar='B', help='most fine regions of an image: a number (40) or a share (0.25)'
    )
    group.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='settings of the config')
    group.add_argument('--device', type=device, default=get_device(), help='cpu, cuda, cuda:1... (default: %(default)s)')


def add_images(parser: ArgumentParser, count: int) -> None:
    """The images: files and folders, or the config's data; ``count`` of the latter by default."""
    group = parser.add_argument_group('images')
    group.add_argument(
        '--images', type=Path, nargs='+', metavar='PATH', help="files and folders (default: the config's test set)"
    )
    group.add_argument(
        '--num-images', type=positive, metavar='N', help=f'at most so many, evenly drawn (default: {count} of a test set)'
    )
    group.add_argument(
        '--max-side',
        type=positive,
        default=1024,
        metavar='PIXELS',
        help='longer images of --images are shrunk to it (default: %(default)s)',
    )
    parser.set_defaults(default_count=count)


def add_output(parser: ArgumentParser, picture: str | None = None, required: bool = False) -> None:
    """Tell where results go; ``picture`` says what is drawn."""
    group = parser.add_argument_group('output')
    if picture:
        group.add_argument('--picture', type=file_of('.png'), metavar='FILE.png', required=required, help=picture)
    group.add_argument('--out', type=file_of('.json'), metavar='FILE.json', help='write the figures to this file too')
    group.add_argument('--overwrite', action='store_true', help='replace files that are there already')


def load(args: Namespace, config: str | None = None, checkpoint: str | None = None) -> AnalysedModel:
    """The model of `add_model`, or another one with the same settings."""
    cfg = read_config(config or args.config, args.cfg_options)
    weights = checkpoint if config else args.checkpoint
    return AnalysedModel(cfg, weights, args.device, args.threshold, args.budget)


def samples_of(args: Namespace, model: AnalysedModel) -> FileSamples | DatasetSamples:
    """The images of `add_images`, for a model.

    Raises:
        FileNotFoundError: there is no such file or folder, a folder has no image, or the test set is not there.
    """
    if args.images:
        files = find_images(args.images, leave_out=own_pages(getattr(args, 'picture', None)))
        return FileSamples(model, evenly(files, args.num_images), args.max_side)
    return DatasetSamples(model, args.num_images or args.default_count)


def evenly(items: list, count: int | None) -> list:
    """At most ``count`` of the items, evenly drawn; None: all."""
    if count is None or count >= len(items):
        return items
    return [items[round(i * (len(items) - 1) / max(count - 1, 1))] for i in range(count)]

"""Time two trained models against each other, image in, class scores out, one image at a time, on the test set's images.

  msvit compare --first DENSE_CONFIG DENSE_CHECKPOINT --second MIXED_CONFIG MIXED_CHECKPOINT
  msvit compare --first dense.onnx --second mixed.onnx              files of msvit export, in ONNX Runtime on the CPU
  msvit compare --first CONFIG CHECKPOINT --second model.onnx       one of each

The two take turns on each image, so that a busy machine disturbs both alike; the ratio is what counts. The images are
those of the second config, or of the only one; of two files the photographs of scikit-image. "msvit latency" compares a model
with itself without coarse tokens, image by image.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import DATASETS
from torch import Tensor

from ...analysis.latency import describe_machine, seconds_per_item
from ...analysis.samples import gives_bgr
from ...backbones import MSViT
from ...engine.launch import read_config
from ...engine.load_model import load_model
from ...engine.run_gate import find_pixel_format
from ...export.photographs import sample_photographs
from ...images import read_rgb
from ...runtime import OnnxModel
from ...runtime.resizing import prepare
from ..arguments import add_output, evenly, positive
from ..onnx_images import is_exported
from ..output import about, refuse_overwriting, show_rows, write_json


def add_arguments(parser: ArgumentParser) -> None:
    for name in ('--first', '--second'):
        parser.add_argument(
            name,
            nargs='+',
            required=True,
            metavar=('CONFIG', 'CHECKPOINT'),
            help='config and weights of one of the two, or a .onnx file',
        )
    parser.add_argument(
        '--images', type=positive, default=10, help='images in each round, evenly drawn (default: %(default)s)'
    )
    parser.add_argument('--rounds', type=positive, default=7, help='timed rounds (default: %(default)s)')
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the transformer blocks of both, which takes a minute and a C++ compiler',
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='for both configs')
    add_output(parser)


def run(args: Namespace) -> None:
    refuse_overwriting(args)
    pairs = (args.first, args.second)
    for pair in pairs:
        if len(pair) != (1 if is_exported(pair[0]) else 2):
            raise ValueError(f'{" ".join(pair)}: name a config and its checkpoint, or a .onnx file alone')
        if args.compile and is_exported(pair[0]):
            raise ValueError(f'--compile is for models of configs, and {pair[0]} is an exported one')
    parties = [OnnxModel(pair[0]) if is_exported(pair[0]) else _model(args, *pair) for pair in pairs]
    inputs = _images(args, parties)
    runs = {place: lambda one, place=place: parties[place].run(one[place]) for place in (0, 1)}
    with torch.inference_mode():
        seconds = list(seconds_per_item(runs, inputs, args.rounds).values())
    machine = describe_machine(torch.device('cpu'))
    rows = [
        dict(name=Path(config).stem, ms=1000 * time, faster=seconds[0] / time)
        for (config, *_), time in zip(pairs, seconds, strict=True)
    ]
    columns = {'': '{name}', 'ms per image': '{ms:.1f}', 'times faster': '{faster:.2f}'}
    show_rows(rows, columns, f'{len(inputs)} images, {machine}')
    figures = dict(images=len(inputs), seconds_per_image=seconds, speedup=seconds[0] / seconds[1])
    write_json(args.out, dict(about={**about(args), 'machine': machine}, **figures))


class _Model(NamedTuple):
    """A config's model."""

    cfg: Config
    model: BaseModel

    def run(self, inputs: Tensor) -> object:
        return self.model(inputs, mode='tensor')


def _model(args: Namespace, config: str, checkpoint: str) -> _Model:
    cfg = read_config(config, args.cfg_options)
    model = load_model(cfg, checkpoint)
    if args.compile:
        if not isinstance(model.backbone, MSViT):
            raise ValueError(f'{config} has no MSViT backbone whose blocks could be compiled: leave out --compile')
        model.backbone.compile_blocks()
    return _Model(cfg, model)


def _images(args: Namespace, parties: Sequence[_Model | OnnxModel]) -> list[tuple[Any, ...]]:
    """Each image as the two parties take it."""
    source = next((party for party in reversed(parties) if isinstance(party, _Model)), None)
    if source is None:
        files = [party for party in parties if isinstance(party, OnnxModel)]
        chosen, info = evenly(sample_photographs(), args.images), files[1].info
        seen = [prepare(read_rgb(path), info.resizing, max(info.image_size)) for path in chosen]
        return [tuple(file.normalise(image) for file in files) for image in seen]
    dataset = DATASETS.build(source.cfg.test_dataloader.dataset)
    chosen = evenly(list(range(len(dataset))), args.images)
    inputs = [source.model.data_preprocessor(pseudo_collate([dataset[i]]))['inputs'] for i in chosen]
    return [tuple(_as_taken(party, one, source.cfg) for party in parties) for one in inputs]


def _as_taken(party: _Model | OnnxModel, inputs: Tensor, cfg: Config) -> Any:
    """An input of a config's model as a party takes it."""
    if isinstance(party, _Model):
        return inputs
    pixels = find_pixel_format(cfg)
    if pixels is None:
        raise ValueError('the config does not tell how pixels are normalised: mean and std in model.data_preprocessor')
    mean, std = (torch.tensor(values) for values in pixels.normalization)
    image = (inputs[0].permute(1, 2, 0) * std + mean).round().numpy()
    return party.normalise(image if pixels.to_rgb or not gives_bgr(cfg) else image[..., ::-1])

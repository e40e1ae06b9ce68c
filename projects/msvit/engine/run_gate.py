"""The gate of a finished run, with all that its config tells of it."""

from collections.abc import Iterator
from os import PathLike
from typing import Any, Literal, NamedTuple

from mmengine.config import Config

from ..backbones.awaited import awaited
from ..checkpoints import load_gate, read_checkpoint
from ..checkpoints.gate import SETTINGS, find_gate
from ..gates import LearnedGate, Normalization
from ..parts import build_part

ChannelOrder = Literal['rgb', 'bgr']


class PixelFormat(NamedTuple):
    """What a network is given: normalised pixels, and whether the config turns BGR, as OpenMMLab loads files, into RGB."""

    normalization: Normalization
    to_rgb: bool


def read_run_gate(
    cfg: Config,
    checkpoint: str | PathLike,
    normalization: Normalization | None = None,
    channel_order: ChannelOrder | None = None,
) -> tuple[LearnedGate, Normalization]:
    """Take the gate out of a run's checkpoint.

    Args:
        cfg: of the run.
        checkpoint: of the run.
        normalization: replaces the config's.
        channel_order: of the images that the gate was trained on; None: the config tells.

    Returns:
        The gate, of RGB images in whichever order it was trained, frozen, with the threshold, budget and temperature of the
        config; and the normalisation of its pixels.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        CheckpointError: it cannot be read, or holds no gate or several.
        ValueError: the config does not tell the normalisation, or that its images are RGB.
    """
    pixels = find_pixel_format(cfg)
    normalization = normalization or (pixels and pixels.normalization)
    if normalization is None:
        raise ValueError(
            'the config does not tell how pixels are normalised (mean and std in model.data_preprocessor, data_preprocessor '
            'or a Normalize step of its pipelines): state --mean and --std, in units of 0..255'
        )
    if channel_order is None and not (pixels and pixels.to_rgb):
        raise ValueError(
            'the config does not turn images into RGB: state their order with --channel-order, bgr for files that OpenMMLab '
            'loads, rgb for arrays that are RGB already, such as those of its CIFAR data sets'
        )
    state = read_checkpoint(checkpoint)
    found = find_gate(state, str(checkpoint))
    gates = [part['gate'] for part in _dicts(cfg.model) if part.get('gate') is not None]
    settings = {}
    if len(gates) == 1:
        built = build_part(awaited(gates[0]), 'Gate', coarse_patch_size=found.arguments()['coarse_patch_size'])
        settings = {name: getattr(built, name) for name in SETTINGS if hasattr(built, name)}
    gate = load_gate(found.tensors, **settings)
    if channel_order == 'bgr':
        gate.reverse_channels()
        normalization = Normalization(*(values[::-1] for values in normalization))
    return gate, normalization


def find_pixel_format(cfg: Config) -> PixelFormat | None:
    """Tell how a run's images are normalised: by the model's data preprocessor, the run's, or a step of the pipelines.

    Returns:
        None where the config does not tell.

    Raises:
        ValueError: mean without std, or values out of range.
    """
    for part in (cfg.model.get('data_preprocessor'), cfg.get('data_preprocessor')):
        normalization = Normalization.of(part.get('mean'), part.get('std')) if part else None
        if normalization:
            return PixelFormat(normalization, bool(part.get('to_rgb') or part.get('bgr_to_rgb')))
    for loader in ('test_dataloader', 'val_dataloader', 'train_dataloader'):
        for step in _dicts(cfg.get(loader)):
            # mmcv's; torchvision's has units of 0..1
            if step.get('type') in ('Normalize', 'mmcv.Normalize') and 'mean' in step:
                normalization = Normalization.of(step['mean'], step.get('std'))
                return normalization and PixelFormat(normalization, step.get('to_rgb', True))
    return None


def _dicts(part: Any) -> Iterator[dict]:
    """All dicts within a config."""
    if isinstance(part, dict):
        yield part
        part = part.values()
    elif not isinstance(part, list | tuple):
        return
    for value in part:
        yield from _dicts(value)

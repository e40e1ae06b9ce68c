"""The names by which configs find the parts of msvit, and building a part from its config.

This table is the whole registration: `build_part` reads it, and so do mmengine's registries where OpenMMLab is installed
(:mod:`msvit.registry`). A part is imported when it is first asked for.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import Any

from .checks import naming

# Registry of mmengine -> name after ``msvit.`` -> module, with ``:attribute`` where that has another name.
PARTS: dict[str, dict[str, str]] = {
    'model': {
        'MSViT': 'msvit.backbones.configured',
        'MSDeiT': 'msvit.backbones.configured',
        'MSSwin': 'msvit.backbones.configured',
        'MSDyViT': 'msvit.backbones.configured',
        'MSEViT': 'msvit.backbones.configured',
        'MLPGate': 'msvit.gates',
        'ContextGate': 'msvit.gates',
        'SaliencyGate': 'msvit.gates',
        'RadialGate': 'msvit.gates',
        'UniformGate': 'msvit.gates',
        'RandomGate': 'msvit.gates',
        'MaskGate': 'msvit.gates',
        'TrainedGate': 'msvit.checkpoints.gate:build_trained_gate',
        'GBaSLoss': 'msvit.losses',
        'BaSLoss': 'msvit.losses',
        'L0Loss': 'msvit.losses',
        'TargetLoss': 'msvit.losses',
        'TeachingLoss': 'msvit.losses',
        'LabelTeacher': 'msvit.teachers',
        'BoxTeacher': 'msvit.teachers',
        'DenseTeacher': 'msvit.teachers',
        'ReplicateTokens': 'msvit.necks',
        'UnfoldTokens': 'msvit.necks',
        'SimpleFeaturePyramid': 'msvit.necks',
        'MixedScaleSegmenterHead': 'msvit.heads',
        'RaggedEncoderDecoder': 'msvit.hosts',
        'PretrainedClsHead': 'msvit.heads',
        'PretrainedDeiTClsHead': 'msvit.heads',
        'DistilledClassifier': 'msvit.hosts',
    },
    'weight initializer': {'Pretrained': 'msvit.checkpoints.pretrained'},
    'hook': {
        'GateLossHook': 'msvit.engine',
        'GateWarmupHook': 'msvit.engine',
        'TeachGateHook': 'msvit.engine',
        'SelfDistillationHook': 'msvit.engine',
        'OracleHook': 'msvit.engine',
        'ScaleMapHook': 'msvit.engine',
        'IterationSeedHook': 'msvit.engine',
        'SafeCheckpointHook': 'msvit.engine',
        'ConsistencyHook': 'msvit.engine',
        'FiniteLossHook': 'msvit.engine',
    },
    'metric': {'TokenMetric': 'msvit.engine'},
    'optim_wrapper': {'CPUAutocastOptimWrapper': 'msvit.engine'},
    'optimizer wrapper constructor': {'GroupedOptimWrapperConstructor': 'msvit.engine'},
    'dataset': {
        'ADE20KDataset': 'msvit.datasets',
        'CamVidDataset': 'msvit.datasets',
        'CCPDataset': 'msvit.datasets',
        'DigitScenesDataset': 'msvit.datasets',
        'DigitLabelsDataset': 'msvit.datasets',
        'DigitBoxesDataset': 'msvit.datasets:build_digit_boxes_dataset',
        'ImageNetDataset': 'msvit.datasets',
        'ImageNetSamplesDataset': 'msvit.datasets',
        'ImageFolderDataset': 'msvit.datasets',
        'SegDataset': 'msvit.datasets',
        'UnlabelledImages': 'msvit.datasets',
    },
    'transform': {
        'SeedSample': 'msvit.datasets',
        'RandomCrop': 'msvit.datasets',
        'PhotoMetricDistortion': 'msvit.datasets',
    },
    'data sampler': {'ResumableSampler': 'msvit.datasets', 'ResumableEpochSampler': 'msvit.datasets'},
}


def find_part(registry: str, name: str) -> Callable[..., Any] | None:
    """Import a part by its name.

    Args:
        registry: a key of `PARTS`.
        name: with or without ``msvit.`` in front.

    Returns:
        What builds the part; None where msvit has none of this name.
    """
    name = name.removeprefix('msvit.')
    place = PARTS[registry].get(name)
    if place is None:
        return None
    module, _, attribute = place.partition(':')
    return getattr(import_module(module), attribute or name)


def class_name(part: dict) -> str:
    """Name the class of a part of a config, without its scope: the type is a name, or a class in pure Python configs."""
    kind = part.get('type', '')
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__


def build_part(part: Any, suffix: str, **defaults: Any) -> Any:
    """Build a part of a model from its config; return anything else, such as a module, as it is.

    Args:
        part: a config such as ``dict(type='msvit.MLPGate')``; its type is one of `PARTS`, a class, or a name that is
            registered with mmengine.
        suffix: with which the names of its like end, ``'Gate'`` or ``'Loss'``, for the message.
        **defaults: arguments that the part gets if it takes them and the config does not give them.

    Raises:
        ValueError: the config has no type, or one that is not registered; the message lists what there is.
    """
    if not isinstance(part, dict):
        return part
    kind = part.get('type')
    make = _find_model(kind) if isinstance(kind, str) else kind
    if make is None:
        names = ', '.join(f'msvit.{name}' for name in sorted(PARTS['model']) if name.endswith(suffix))
        raise ValueError(f'{part}: the type {kind} is not registered; msvit has {names}')
    arguments = {name: value for name, value in part.items() if name not in ('type', '_scope_')}
    taken = signature(make).parameters
    return make(**{name: value for name, value in defaults.items() if name in taken} | arguments)


def build_teacher(teacher: Any) -> Any:
    """Build the teacher of a gate from its config, such as ``dict(type='msvit.LabelTeacher')``; return a given one as it is.

    Raises:
        ValueError: the config names no teacher, or one of its arguments is out of range.
        TypeError: it is neither.
    """
    with naming('teacher'):
        built = build_part(teacher, 'Teacher')
    if not callable(getattr(built, 'targets', None)):
        raise TypeError(f"teacher must be a GateTeacher or its config, such as dict(type='msvit.LabelTeacher'), got {built!r}")
    return built


def _find_model(name: str) -> Callable[..., Any] | None:
    """The part of msvit, or what others registered with mmengine."""
    own = find_part('model', name)
    if own is not None or find_spec('mmengine') is None:
        return own
    from mmengine.registry import MODELS

    return MODELS.get(name if '.' in name else f'msvit.{name}')

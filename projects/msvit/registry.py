"""Registries of scope ``msvit``, children of mmengine's.

A config of mmseg, mmpretrain or mmdet names the parts of this project as ``type='msvit.MSViT'``; mmengine then imports this
module by itself, and the ``locations`` below register the parts. No ``custom_imports`` is needed.
"""

from inspect import signature
from typing import Any

from .checks import naming
from .compat import drop_debug_prints, require_openmmlab

require_openmmlab()
drop_debug_prints()

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS  # noqa: E402
from mmengine.registry import DATASETS as MMENGINE_DATASETS  # noqa: E402
from mmengine.registry import HOOKS as MMENGINE_HOOKS  # noqa: E402
from mmengine.registry import METRICS as MMENGINE_METRICS  # noqa: E402
from mmengine.registry import MODELS as MMENGINE_MODELS  # noqa: E402
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS  # noqa: E402
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS  # noqa: E402
from mmengine.registry import Registry  # noqa: E402

MODELS = Registry(
    'model',
    parent=MMENGINE_MODELS,
    scope='msvit',
    locations=[
        *('msvit.gates', 'msvit.losses', 'msvit.teachers', 'msvit.backbones', 'msvit.necks'),
        *('msvit.decode_heads', 'msvit.segmentors', 'msvit.heads', 'msvit.classifiers'),
    ],
)
DATASETS = Registry('dataset', parent=MMENGINE_DATASETS, scope='msvit', locations=['msvit.datasets'])
TRANSFORMS = Registry('transform', parent=MMENGINE_TRANSFORMS, scope='msvit', locations=['msvit.datasets'])
DATA_SAMPLERS = Registry('data sampler', parent=MMENGINE_DATA_SAMPLERS, scope='msvit', locations=['msvit.datasets'])
OPTIM_WRAPPERS = Registry('optim wrapper', parent=MMENGINE_OPTIM_WRAPPERS, scope='msvit', locations=['msvit.engine'])
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='msvit', locations=['msvit.engine'])
METRICS = Registry('metric', parent=MMENGINE_METRICS, scope='msvit', locations=['msvit.engine'])


def build_part(part: Any, suffix: str, **defaults: Any) -> Any:
    """Build a part of a model from its config; anything else, such as a module, is returned as it is.

    Args:
        part: a config such as ``dict(type='msvit.MLPGate')``.
        suffix: with which the names of its like end, ``'Gate'`` or ``'Loss'``, for the message.
        **defaults: arguments that the part gets if it takes them and the config does not give them.

    Raises:
        ValueError: the config has no type, or one that is not registered; the message lists what there is.
    """
    if not isinstance(part, dict):
        return part
    kind = part.get('type')
    cls = MODELS.get(kind) if isinstance(kind, str) else kind
    if cls is None:
        names = ', '.join(f'msvit.{name}' for name in sorted(MODELS.module_dict) if name.endswith(suffix))
        raise ValueError(f'{part}: the type {kind} is not registered; msvit has {names}')
    taken = signature(cls).parameters
    return MODELS.build({**{name: value for name, value in defaults.items() if name in taken}, **part})


def build_teacher(teacher: Any) -> Any:
    """The teacher of a gate that is given, or what its config such as ``dict(type='msvit.LabelTeacher')`` describes.

    Raises:
        ValueError: the config names no teacher, or one of its arguments is out of range.
        TypeError: it is neither.
    """
    with naming('teacher'):
        built = build_part(teacher, 'Teacher')
    if not callable(getattr(built, 'targets', None)):
        raise TypeError(f"teacher must be a GateTeacher or its config, such as dict(type='msvit.LabelTeacher'), got {built!r}")
    return built

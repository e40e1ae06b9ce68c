"""Registries of scope ``msvit``, children of mmengine's.

A config of mmseg, mmpretrain or mmdet names the parts of this project as ``type='msvit.MSViT'``; mmengine then imports this
module by itself, and the ``locations`` below register the parts. No ``custom_imports`` is needed.
"""

from .compat import require_openmmlab

require_openmmlab()

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS  # noqa: E402
from mmengine.registry import DATASETS as MMENGINE_DATASETS  # noqa: E402
from mmengine.registry import HOOKS as MMENGINE_HOOKS  # noqa: E402
from mmengine.registry import METRICS as MMENGINE_METRICS  # noqa: E402
from mmengine.registry import MODELS as MMENGINE_MODELS  # noqa: E402
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS  # noqa: E402
from mmengine.registry import Registry  # noqa: E402

MODELS = Registry(
    'model',
    parent=MMENGINE_MODELS,
    scope='msvit',
    locations=['msvit.gates', 'msvit.backbones', 'msvit.necks', 'msvit.decode_heads', 'msvit.segmentors', 'msvit.losses'],
)
DATASETS = Registry('dataset', parent=MMENGINE_DATASETS, scope='msvit', locations=['msvit.datasets'])
TRANSFORMS = Registry('transform', parent=MMENGINE_TRANSFORMS, scope='msvit', locations=['msvit.datasets'])
DATA_SAMPLERS = Registry('data sampler', parent=MMENGINE_DATA_SAMPLERS, scope='msvit', locations=['msvit.datasets'])
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='msvit', locations=['msvit.engine'])
METRICS = Registry('metric', parent=MMENGINE_METRICS, scope='msvit', locations=['msvit.engine'])

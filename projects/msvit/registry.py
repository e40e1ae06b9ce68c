"""mmengine's registries of scope ``msvit``, filled from the table of `msvit.parts`.

A config of mmseg, mmpretrain or mmdet names the parts of this project as ``type='msvit.MSViT'``; mmengine then imports this
module by itself. No ``custom_imports`` is needed.
"""

from typing import Any

from mmengine import registry as roots
from mmengine.registry import Registry

from .parts import find_part


class PartsRegistry(Registry):
    """A child registry that knows the parts of msvit beside what is registered by hand."""

    def __init__(self, parent: Registry):
        super().__init__(parent.name, parent=parent, scope='msvit')

    def get(self, key: str) -> Any:
        """Look up a name as mmengine's registries do; a part of msvit is imported at its first use."""
        scope, name = self.split_scope_key(key)
        if scope in (None, 'msvit') and name not in self.module_dict and (part := find_part(self.name, name)):
            self.register_module(name=name, module=part)  # pyright: ignore[reportArgumentType]  # functions are welcome too
        return super().get(key)


MODELS = PartsRegistry(roots.MODELS)
DATASETS = PartsRegistry(roots.DATASETS)
TRANSFORMS = PartsRegistry(roots.TRANSFORMS)
DATA_SAMPLERS = PartsRegistry(roots.DATA_SAMPLERS)
OPTIM_WRAPPERS = PartsRegistry(roots.OPTIM_WRAPPERS)
OPTIM_WRAPPER_CONSTRUCTORS = PartsRegistry(roots.OPTIM_WRAPPER_CONSTRUCTORS)
HOOKS = PartsRegistry(roots.HOOKS)
METRICS = PartsRegistry(roots.METRICS)
WEIGHT_INITIALIZERS = PartsRegistry(roots.WEIGHT_INITIALIZERS)

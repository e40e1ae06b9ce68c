"""The backbones as configs build them: they read no file of weights before OpenMMLab initialises the model.

So test, inference and the tools need no file that the training began with. In plain Python ``pretrained`` loads at once.
"""

from collections.abc import Callable
from functools import wraps
from os import PathLike
from typing import Any

from ..checkpoints.pretrained import pretrained_init
from . import ms_deit, ms_vit, pruning, swin
from .awaited import awaited
from .gated import GatedBackbone


def _configured(backbone: type[GatedBackbone]) -> Callable[..., GatedBackbone]:
    @wraps(backbone, updated=())
    def build(*args: Any, pretrained: bool | str | PathLike | None = None, gate: Any = None, **kwargs: Any) -> GatedBackbone:
        return backbone(*args, gate=awaited(gate), **{**kwargs, **pretrained_init(pretrained)})

    return build


MSViT = _configured(ms_vit.MSViT)
MSDeiT = _configured(ms_deit.MSDeiT)
MSSwin = _configured(swin.MSSwin)
MSDyViT = _configured(pruning.MSDyViT)
MSEViT = _configured(pruning.MSEViT)

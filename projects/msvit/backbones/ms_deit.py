"""MSDeiT: a data-efficient image Transformer on mixed-scale tokens."""

from typing import Any

from torch import Tensor

from ..tokens import MixedTokens
from .ms_vit import MSViT, OutType


class MSDeiT(MSViT):
    """`MSViT` on DeiT, plain or distilled (sections B and C.2; `DeiT <https://arxiv.org/abs/2012.12877>`_).

    With ``out_type='cls_token'`` a distilled DeiT gives the pair of class and distillation token, as mmpretrain's
    ``DistilledVisionTransformer`` does, for ``DeiTClsHead`` and `PretrainedDeiTClsHead`.

    Args:
        arch: a timm DeiT, such as ``'deit_small_patch16_224'`` or ``'deit_small_distilled_patch16_224'``, or a dict as for
            `MSViT`.
        out_type: see `MSViT`; by default ``'cls_token'``.
        **kwargs: the other arguments of `MSViT`.
    """

    def __init__(self, arch: str | dict[str, Any] = 'deit_small_patch16_224', out_type: OutType = 'cls_token', **kwargs: Any):
        super().__init__(arch, out_type=out_type, **kwargs)

    def class_feature(self, tokens: MixedTokens) -> Tensor | tuple[Tensor, ...]:
        return super().class_feature(tokens) if self.dist_token is None else tokens.prefix()[:, :2].unbind(dim=1)

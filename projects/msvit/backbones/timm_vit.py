"""Building timm's Vision Transformers with mixed-scale attention."""

from typing import Any

from timm.layers import PatchEmbed
from timm.models.vision_transformer import Block, VisionTransformer

from ..attention import MixedScaleAttention
from ..linear import adopt_linears
from .timm_arch import build_timm

# Arguments of timm's VisionTransformer that the backbone decides, or that would not do the same on mixed-scale tokens.
_OWN_OPTIONS = {
    *('img_size', 'num_classes', 'global_pool', 'fc_norm', 'attn_layer', 'block_fn'),
    *('drop_path_rate', 'attn_drop_rate', 'patch_drop_rate'),
}


def build_timm_vit(arch: str | dict[str, Any], img_size: int | tuple[int, int]) -> VisionTransformer:
    """Build a timm ViT without classifier, on `MixedScaleAttention` and `Linear`.

    Args:
        arch: a timm model name, or the arguments of timm's ``VisionTransformer`` (``embed_dim``, ``depth``, ``num_heads``,
            ``patch_size``, ...).
        img_size: pixels, side or (height, width), that the position embeddings are laid out for.

    Raises:
        ValueError: no such timm model, or one that mixed-scale tokens cannot drive; the message names the reason.
        TypeError: ``arch`` is neither a name nor a dict.
    """
    options = dict(img_size=img_size, num_classes=0, global_pool='', fc_norm=False, attn_layer=MixedScaleAttention)
    if isinstance(arch, str) and '_distilled_' in arch:  # timm's distilled DeiT insists on its own pooling
        options['global_pool'] = 'token'
    vit, name = build_timm(arch, VisionTransformer, options, _OWN_OPTIONS, '*vit*')
    _check_supported(vit, name)
    adopt_linears(vit)
    return vit


def _check_supported(vit: Any, name: str) -> None:
    if not isinstance(vit, VisionTransformer):
        raise ValueError(
            f'{name} is a {type(vit).__name__}, not a timm VisionTransformer: mixed-scale tokens need a plain ViT'
        )
    if not isinstance(vit.patch_embed, PatchEmbed):
        raise ValueError(
            f'{name} embeds patches by {type(vit.patch_embed).__name__}: only a single patch convolution is supported'
        )
    if vit.patch_embed.patch_size[0] != vit.patch_embed.patch_size[1]:
        raise ValueError(f'{name} has patches of {vit.patch_embed.patch_size} pixels: only square patches are supported')
    if vit.pos_embed is None:
        raise ValueError(f'{name} has no learned absolute position embeddings, which mixed-scale tokens interpolate')
    for block in vit.blocks:
        if not isinstance(block, Block) or not isinstance(block.attn, MixedScaleAttention):
            raise ValueError(
                f'{name} has blocks of type {type(block).__name__} with {type(block.attn).__name__}: '
                "only timm's standard pre-norm Block takes the mixed-scale attention"
            )

"""Building timm's Vision Transformers, and refusing those that mixed-scale tokens cannot drive."""

from typing import Any

from timm.layers import Attention, PatchEmbed
from timm.models.vision_transformer import Block, VisionTransformer

from .timm_arch import build_timm

# Arguments of timm's VisionTransformer that the backbone decides, or that would not do the same on mixed-scale tokens.
_OWN_OPTIONS = {
    *('img_size', 'num_classes', 'global_pool', 'fc_norm', 'attn_layer', 'block_fn'),
    *('drop_path_rate', 'attn_drop_rate', 'patch_drop_rate'),
}
# Why models of timm that are called ViTs cannot be driven, by their class.
_WHY_NOT = {
    'Beit': 'its attention adds relative position biases, laid out for one grid of patches',
    'Eva': 'its blocks are of their own kind, most of them with rotary positions (RoPE) in the attention',
    'NaFlexVit': 'it embeds patches that are cut before, not images',
    'VisionTransformerRelPos': 'its attention adds relative position biases, laid out for one grid of patches',
    'VisionTransformerSAM': 'its attention sees windows and relative positions',
}


def build_timm_vit(arch: str | dict[str, Any], img_size: int | tuple[int, int]) -> VisionTransformer:
    """Build a timm ViT without classifier.

    Its final norm is that of timm's ``forward_features``: none where timm normalises after pooling (``..._gap_...``), for
    that norm belongs to the classifier.

    Args:
        arch: a timm model name, or the arguments of timm's ``VisionTransformer`` (``embed_dim``, ``depth``, ``num_heads``,
            ``patch_size``, ...).
        img_size: pixels, side or (height, width), that the position embeddings are laid out for.

    Raises:
        ValueError: no such timm model, or one that mixed-scale tokens cannot drive; the message names the reason.
        TypeError: ``arch`` is neither a name nor a dict.
    """
    options = dict(img_size=img_size, num_classes=0)
    if isinstance(arch, dict):  # a name brings the pooling that belongs to it
        options |= dict(global_pool='', fc_norm=False)
    vit, name = build_timm(arch, VisionTransformer, options, _OWN_OPTIONS, '*vit*', _why_not)
    _check_supported(vit, name)
    return vit


def _why_not(kind: str) -> str:
    return _WHY_NOT.get(kind, 'mixed-scale tokens need a plain ViT')


def _check_supported(vit: VisionTransformer, name: str) -> None:
    if not isinstance(vit.patch_embed, PatchEmbed):
        raise ValueError(
            f'{name} embeds patches by {type(vit.patch_embed).__name__}: only a single patch convolution is supported'
        )
    if vit.patch_embed.patch_size[0] != vit.patch_embed.patch_size[1]:
        raise ValueError(f'{name} has patches of {vit.patch_embed.patch_size} pixels: only square patches are supported')
    if vit.pos_embed is None:
        raise ValueError(f'{name} has no learned absolute position embeddings, which mixed-scale tokens interpolate')
    for block in vit.blocks:
        attention = getattr(block, 'attn', None)
        if type(block) is not Block or type(attention) is not Attention:
            within = '' if attention is None else f' with {type(attention).__name__}'
            raise ValueError(
                f"{name} has blocks of type {type(block).__name__}{within}: only timm's standard pre-norm Block with its "
                'standard Attention takes mixed-scale tokens'
            )

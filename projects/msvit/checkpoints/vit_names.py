"""The names under which other libraries keep a ViT, turned into timm's. They describe the same network."""

from torch import Tensor

from .errors import CheckpointError
from .names import find_origin, has_all, rename, split_backbone, unknown_layout

_TIMM = (r'patch_embed\.proj\.weight$', r'blocks\.\d+\.attn\.qkv\.')
_SIGNS = {
    'mmseg': (r'patch_embed\.projection\.weight$', r'.*\.attn\.attn\.in_proj_'),
    'mmpretrain': (r'patch_embed\.projection\.weight$', r'.*\.attn\.qkv\.'),
    'msvit': (*_TIMM, r'gate\.'),
    'dinov2': (*_TIMM, r'(register_tokens|mask_token)$'),
    'timm': _TIMM,
}
_SWIN = r'(layers|stages)\.\d+\.blocks\.\d+\.attn\.'

_NAMES = (  # of DeiT and DINOv2
    (r'^register_tokens$', 'reg_token'),
    (r'^(blocks\.\d+)\.gamma_([12])$', r'\1.ls\2.gamma'),
    (r'^(blocks\.\d+\.mlp)\.w12\.', r'\1.fc1.'),
    (r'^(blocks\.\d+\.mlp)\.w3\.', r'\1.fc2.'),
)
_MM_NAMES = (
    (r'^patch_embed\.projection\.', 'patch_embed.proj.'),
    (r'^(?:pre_norm|ln_pre)\.', 'norm_pre.'),
    (r'^ln1\.', 'norm.'),
    (r'^ln2\.', 'fc_norm.'),
    (r'^layers\.', 'blocks.'),
    (r'^(blocks\.\d+)\.ln([12])\.', r'\1.norm\2.'),
    (r'^(blocks\.\d+)\.attn\.attn\.in_proj_', r'\1.attn.qkv.'),
    (r'^(blocks\.\d+)\.attn\.attn\.out_proj\.', r'\1.attn.proj.'),
    (r'^(blocks\.\d+)\.attn\.gamma1\.weight$', r'\1.ls1.gamma'),
    (r'^(blocks\.\d+)\.ffn\.gamma2\.weight$', r'\1.ls2.gamma'),
    (r'^(blocks\.\d+)\.ffn\.(?:layers\.0\.0|w12)\.', r'\1.mlp.fc1.'),
    (r'^(blocks\.\d+)\.ffn\.(?:layers\.1|w3)\.', r'\1.mlp.fc2.'),
)


def detect_origin(state: dict[str, Tensor]) -> str:
    """Tell from the names alone which library's layout a checkpoint has.

    Args:
        state: Tensors by name, of a ViT or of a whole model that holds one under ``backbone.`` or ``encoder.``.

    Returns:
        One of ``timm`` (official DeiT and MSViT without a learned gate too), ``dinov2`` (official), ``msvit`` (with a gate),
        ``mmpretrain``, ``mmseg``, ``segmenter`` (official).

    Raises:
        CheckpointError: None of these.
    """
    if any(name.startswith('encoder.patch_embed.proj.') for name in state):
        return 'segmenter'
    vit, _ = split_backbone(state)
    if origin := find_origin(vit, _SIGNS):
        return origin
    if has_all(vit, _SWIN):
        raise CheckpointError('the checkpoint holds a Swin, the model is a ViT: load it into a Swin, or take weights of a ViT')
    raise unknown_layout('ViT', (*_SIGNS, 'segmenter'), state)


def to_timm_vit(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name a ViT's tensors as timm's ``VisionTransformer`` does, whichever library they come from.

    Names that no rule knows stay as they are, ``gate.*`` among them. Of a whole model, see :func:`detect_origin`, only the
    backbone is kept, without DINOv2's ``mask_token``, of use in training only. Applying it twice changes nothing.

    Raises:
        CheckpointError: Unknown layout, or two tensors with one name.
    """
    mm = detect_origin(state) in ('mmpretrain', 'mmseg')
    vit, _ = split_backbone(state)
    vit.pop('mask_token', None)
    return rename(vit, _MM_NAMES if mm else _NAMES)

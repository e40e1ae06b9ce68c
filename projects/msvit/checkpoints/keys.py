"""The names under which other libraries keep a ViT, turned into timm's; Segmenter's decoder, turned into mmseg's; and linear
classifiers, turned into mmpretrain's.

The libraries describe the same network, so all but one of the maps are renamings: the official Segmenter multiplies by its
two decoder projections from the right, mmseg's linear layers by the transpose.
"""

import re

from torch import Tensor

from .errors import CheckpointError

ORIGINS = ('timm', 'dinov2', 'msvit', 'mmpretrain', 'mmseg', 'segmenter')

# Pattern -> name of timm's, in order, on names below the backbone's prefix. DeiT's and DINOv2's own names come first.
_VIT_NAMES = (
    (r'^register_tokens$', 'reg_token'),
    (r'^(blocks\.\d+)\.gamma_([12])$', r'\1.ls\2.gamma'),
    (r'^(blocks\.\d+\.mlp)\.w12\.', r'\1.fc1.'),
    (r'^(blocks\.\d+\.mlp)\.w3\.', r'\1.fc2.'),
)
_MM_VIT_NAMES = (
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
_MM_DECODER_NAMES = (
    (r'^proj_dec\.', 'dec_proj.'),
    (r'^proj_(patch|classes)$', r'\1_proj.weight'),
    (r'^blocks\.', 'layers.'),
    (r'^(layers\.\d+)\.norm([12])\.', r'\1.ln\2.'),
    (r'^(layers\.\d+)\.attn\.qkv\.', r'\1.attn.attn.in_proj_'),
    (r'^(layers\.\d+)\.attn\.proj\.', r'\1.attn.attn.out_proj.'),
    (r'^(layers\.\d+)\.mlp\.fc1\.', r'\1.ffn.layers.0.0.'),
    (r'^(layers\.\d+)\.mlp\.fc2\.', r'\1.ffn.layers.1.'),
)

_SWIN_BLOCK = re.compile(r'(layers|stages)\.\d+\.blocks\.\d+\.attn\.')

_CLASSIFIER_NAMES = (
    (r'^head\.layers\.', 'layers.'),
    (r'^head\.fc\.', 'layers.head.'),
    (r'^head\.(weight|bias)$', r'layers.head.\1'),
    (r'^head_dist\.', 'layers.head_dist.'),
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
    if 'patch_embed.projection.weight' in vit:
        if any('.attn.attn.in_proj_' in name for name in vit):
            return 'mmseg'
        if any('.attn.qkv.' in name for name in vit):
            return 'mmpretrain'
    if 'patch_embed.proj.weight' in vit and any(re.match(r'blocks\.\d+\.attn\.qkv\.', name) for name in vit):
        if any(name.startswith('gate.') for name in vit):
            return 'msvit'
        return 'dinov2' if vit.keys() & {'register_tokens', 'mask_token'} else 'timm'
    if any(_SWIN_BLOCK.match(name) for name in vit):
        raise CheckpointError('the checkpoint holds a Swin, the model is a ViT: load it into a Swin, or take weights of a ViT')
    raise CheckpointError(
        f'no ViT of a known layout ({", ".join(ORIGINS)}) in a checkpoint of {len(state)} tensors: '
        f'{", ".join(list(state)[:6])}{", ..." if len(state) > 6 else ""}'
    )


def split_backbone(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Part a whole model's tensors into its backbone's, without their prefix, and the others.

    Args:
        state: Tensors by name. The prefix is ``backbone.`` or ``encoder.``; without one, all belongs to the backbone.

    Returns:
        The backbone's tensors and the rest, the latter under their full names.
    """
    for prefix in ('backbone.', 'encoder.'):
        if any(name.startswith(f'{prefix}patch_embed.') for name in state):
            rest = {name: value for name, value in state.items() if not name.startswith(prefix)}
            return {name.removeprefix(prefix): value for name, value in state.items() if name not in rest}, rest
    return dict(state), {}


def to_timm_vit(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name a ViT's tensors as timm's ``VisionTransformer`` does, whichever library they come from.

    Names that no rule knows stay as they are, so that the loader can report them; of a whole model only the backbone is
    kept. Applying it twice changes nothing.

    Args:
        state: Tensors by name, see :func:`detect_origin`.

    Returns:
        The same tensors under timm's names, ``gate.*`` included. DINOv2's ``mask_token``, of use in training only, is
        left out.

    Raises:
        CheckpointError: Unknown layout, or two tensors with one name.
    """
    mm = detect_origin(state) in ('mmpretrain', 'mmseg')
    vit, _ = split_backbone(state)
    vit.pop('mask_token', None)
    return _rename(vit, _MM_VIT_NAMES if mm else _VIT_NAMES)


def to_mmseg_segmenter_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the tensors of a Segmenter's mask transformer as mmseg's ``SegmenterMaskTransformerHead`` does.

    Args:
        state: A whole Segmenter, official (``decoder.*``), of mmseg or of msvit (``decode_head.*``).

    Returns:
        The head's tensors by name, without a prefix.

    Raises:
        CheckpointError: No mask transformer in the checkpoint.
    """
    head = _below('decode_head.', state)
    if not head:
        head = _rename(_below('decoder.', state), _MM_DECODER_NAMES)
        for name in ('patch_proj.weight', 'classes_proj.weight'):
            if name in head:
                head[name] = head[name].T
    if 'cls_emb' not in head:
        found = f"; its decoder's are: {', '.join(head)}" if head else ''
        raise CheckpointError(
            f'no Segmenter mask transformer in the checkpoint (decoder.cls_emb or decode_head.cls_emb){found}'
        )
    return head


def to_mmpretrain_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the tensors of a linear classifier as mmpretrain's ``VisionTransformerClsHead`` and ``DeiTClsHead`` do.

    Args:
        state: A classifying ViT of timm or DeiT (``head.*``, ``head_dist.*``), of mmpretrain or of msvit (``head.layers.*``);
            a Swin of timm or mmpretrain (``head.fc.*``) or the official one (``head.*``).

    Returns:
        The classifier's tensors by name, without a prefix.

    Raises:
        CheckpointError: No classifier in the checkpoint.
    """
    head = _rename(
        {name: value for name, value in state.items() if name.startswith(('head.', 'head_dist.'))}, _CLASSIFIER_NAMES
    )
    if 'layers.head.weight' not in head:
        found = f'; of that kind it has {", ".join(head)}' if head else ''
        raise CheckpointError(f'no linear classifier in the checkpoint (head.weight, head.fc.* or head.layers.head.*){found}')
    return head


def _below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _rename(state: dict[str, Tensor], rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    renamed = {}
    for name, value in state.items():
        new = name
        for pattern, replacement in rules:
            new = re.sub(pattern, replacement, new)
        if new in renamed:
            raise CheckpointError(f'two tensors of the checkpoint would both be {new}; one of them is {name}')
        renamed[new] = value
    return renamed

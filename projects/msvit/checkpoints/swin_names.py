"""The names under which other libraries keep a Swin, turned into timm's.

They describe the same network, with two differences of substance: Microsoft and OpenMMLab merge patches at the end of a
stage, timm at the start of the next; and OpenMMLab's merged channels lie in another order, see `_merging_order`.
"""

import re

from torch import Tensor

from .errors import CheckpointError
from .names import find_origin, has_all, rename, split_backbone, unknown_layout
from .vit_names import detect_origin

TABLE = '.attn.relative_position_bias_table'

_BUFFERS = ('.relative_position_index', '.attn_mask')  # derived from the window size and saved by all but timm
_TIMM = (r'patch_embed\.proj\.weight$', rf'layers\.\d+\.blocks\.\d+{re.escape(TABLE)}')
_SIGNS = {
    'openmmlab': (r'patch_embed\.projection\.weight$', r'stages\.\d+\.blocks\.\d+\.attn\.w_msa\.'),
    'msvit': (*_TIMM, r'(gate|coarse_embed)\.'),
    'microsoft': (*_TIMM, r'layers\.0\.downsample\.reduction\.weight$'),
    'timm': _TIMM,
}
_V2 = r'(layers|stages)\.\d+\.blocks\.\d+\.attn\.(w_msa\.)?(logit_scale|cpb_mlp)'

_MERGING = (r'^layers\.(\d+)\.downsample\.', lambda stage: f'layers.{int(stage[1]) + 1}.downsample.')
_NAMES = {
    'microsoft': (_MERGING,),
    'openmmlab': (
        (r'^patch_embed\.projection\.', 'patch_embed.proj.'),
        (r'^stages\.', 'layers.'),
        (r'^(layers\.\d+\.blocks\.\d+)\.attn\.w_msa\.', r'\1.attn.'),
        (r'^(layers\.\d+\.blocks\.\d+)\.ffn\.layers\.0\.0\.', r'\1.mlp.fc1.'),
        (r'^(layers\.\d+\.blocks\.\d+)\.ffn\.layers\.1\.', r'\1.mlp.fc2.'),
        _MERGING,
    ),
}


def detect_swin_origin(state: dict[str, Tensor]) -> str:
    """Tell from the names alone which library's layout a Swin checkpoint has.

    Args:
        state: Tensors by name, of a Swin or of a whole model that holds one under ``backbone.``.

    Returns:
        One of ``timm`` (MSSwin without a learned gate too), ``microsoft`` (official), ``openmmlab`` (mmpretrain, mmseg and
        mmdet, which share it), ``msvit`` (with a gate or a coarse embedding).

    Raises:
        CheckpointError: None of these; a ViT or a Swin V2 is named as such.
    """
    swin, _ = split_backbone(state)
    if has_all(swin, _V2):
        raise CheckpointError('the checkpoint holds a Swin V2, another network than the model: take weights of a Swin (V1)')
    if origin := find_origin(swin, _SIGNS):
        return origin
    try:
        vit = detect_origin(state)
    except CheckpointError:
        raise unknown_layout('Swin', _SIGNS, state) from None
    raise CheckpointError(
        f'the checkpoint holds a ViT ({vit} layout), the model is a Swin: load it into a ViT, or take weights of a Swin'
    )


def to_timm_swin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name and order a Swin's tensors as timm's ``SwinTransformer`` does, whichever library they come from.

    Names that no rule knows stay as they are. Of the norms that segmentation and detection add to every stage's output, the
    last stage's is timm's ``norm``, stage N's before it is ``out_norms.N``. Of a whole model only the backbone is kept, and
    buffers that follow from the window size are left out. Applying it twice changes nothing.

    Raises:
        CheckpointError: Unknown layout, or two tensors with one name.
    """
    origin = detect_swin_origin(state)
    swin, _ = split_backbone(state)
    swin = {name: value for name, value in swin.items() if not name.endswith(_BUFFERS)}
    if origin == 'openmmlab':
        swin = {name: _merging_order(value) if '.downsample.' in name else value for name, value in swin.items()}
    swin = rename(swin, _NAMES.get(origin, ()))
    last = max(int(name.split('.')[1]) for name in swin if name.startswith('layers.'))
    return rename(swin, ((rf'^norm{last}\.', 'norm.'), (r'^norm(\d+)\.', r'out_norms.\1.')))


def _merging_order(value: Tensor) -> Tensor:
    """Bring the last axis, the 4C channels of a patch merging, from ``nn.Unfold``'s order (C, 2, 2) to timm's.

    timm's is (column, row, C), as it was in the official code: x[0::2, 0::2], x[1::2, 0::2], x[0::2, 1::2], x[1::2, 1::2].
    """
    if value.shape[-1] % 4:  # no 2x2 merging; the loader reports the shape
        return value
    return value.unflatten(-1, (-1, 2, 2)).movedim((-1, -2), (-3, -2)).flatten(-3)

"""Load Segmenter's mask transformer, and the linear classifier of a ViT or Swin, into heads of mmseg and mmpretrain."""

from torch import Tensor, nn

from .errors import CheckpointError
from .matching import drop_unused
from .names import below, rename
from .report import LoadReport, assign
from .sources import Source, resolve

_DECODER_NAMES = (
    (r'^proj_dec\.', 'dec_proj.'),
    (r'^proj_(patch|classes)$', r'\1_proj.weight'),
    (r'^blocks\.', 'layers.'),
    (r'^(layers\.\d+)\.norm([12])\.', r'\1.ln\2.'),
    (r'^(layers\.\d+)\.attn\.qkv\.', r'\1.attn.attn.in_proj_'),
    (r'^(layers\.\d+)\.attn\.proj\.', r'\1.attn.attn.out_proj.'),
    (r'^(layers\.\d+)\.mlp\.fc1\.', r'\1.ffn.layers.0.0.'),
    (r'^(layers\.\d+)\.mlp\.fc2\.', r'\1.ffn.layers.1.'),
)
_CLASSIFIER_NAMES = (
    (r'^head\.layers\.', 'layers.'),
    (r'^head\.fc\.', 'layers.head.'),
    (r'^head\.(weight|bias)$', r'layers.head.\1'),
    (r'^head_dist\.', 'layers.head_dist.'),
)


def to_mmseg_segmenter_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the tensors of a Segmenter's mask transformer as mmseg's ``SegmenterMaskTransformerHead`` does, without a prefix.

    Args:
        state: A whole Segmenter, official (``decoder.*``), of mmseg or of msvit (``decode_head.*``).

    Raises:
        CheckpointError: No mask transformer in the checkpoint.
    """
    head = below('decode_head.', state)
    if not head:
        head = rename(below('decoder.', state), _DECODER_NAMES)
        # The official one multiplies from the right.
        head |= {name: head[name].T for name in ('patch_proj.weight', 'classes_proj.weight') if name in head}
    if 'cls_emb' not in head:
        found = f"; its decoder's are: {', '.join(head)}" if head else ''
        raise CheckpointError(
            f'no Segmenter mask transformer in the checkpoint (decoder.cls_emb or decode_head.cls_emb){found}'
        )
    return head


def to_mmpretrain_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the tensors of a linear classifier as mmpretrain's ``VisionTransformerClsHead`` and ``DeiTClsHead`` do,
    without a prefix.

    Args:
        state: A classifying ViT of timm or DeiT (``head.*``, ``head_dist.*``), of mmpretrain or of msvit (``head.layers.*``);
            a Swin of timm or mmpretrain (``head.fc.*``) or the official one (``head.*``).

    Raises:
        CheckpointError: No classifier in the checkpoint.
    """
    head = {name: value for name, value in state.items() if name.startswith(('head.', 'head_dist.'))}
    head = rename(head, _CLASSIFIER_NAMES)
    if 'layers.head.weight' not in head:
        found = f'; of that kind it has {", ".join(head)}' if head else ''
        raise CheckpointError(f'no linear classifier in the checkpoint (head.weight, head.fc.* or head.layers.head.*){found}')
    return head


def load_segmenter_head(head: nn.Module, source: Source, *, strict: bool = True) -> LoadReport:
    """Load the mask transformer of a whole Segmenter, official, of mmseg or of msvit, into a head with mmseg's names.

    As `load_vit` does, whose arguments and errors mean the same here; timm has no such weights, so ``source`` is never True.

    Args:
        head: ``SegmenterMaskTransformerHead`` or ``MixedScaleSegmenterHead``.
    """
    if source is True:
        raise ValueError('timm has no weights of a Segmenter head: give a checkpoint of a whole Segmenter')
    state, label = resolve(source)
    report = LoadReport(label, 'mmseg' if below('decode_head.', state) else 'segmenter')
    return assign(head, to_mmseg_segmenter_head(state), head.state_dict(), report, strict)


def load_classifier(head: nn.Module, source: Source, *, arch: str = '') -> LoadReport:
    """Load the linear classifier of a whole ViT or Swin into one of mmpretrain's heads.

    As a strict `load_vit`, whose arguments and errors mean the same here; that of a distillation token too, where the head
    has a second one.

    Args:
        head: ``VisionTransformerClsHead`` without hidden layer, or ``DeiTClsHead``.
    """
    state, label = resolve(source, arch)
    of_mm = any(name.startswith(('backbone.', 'head.layers.')) for name in state)
    report, target = LoadReport(label, 'mmpretrain' if of_mm else 'timm'), head.state_dict()
    state = drop_unused(('layers.head_dist.',), to_mmpretrain_classifier(state), target, report)
    return assign(head, state, target, report, strict=True)

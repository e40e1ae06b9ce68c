"""The models that speed is measured on, with random weights: time does not depend on what they learned."""

from typing import Any, cast

import timm
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmseg.models import BaseSegmentor
from mmseg.registry import MODELS
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ...backbones import MSDyViT, MSEViT, MSViT
from ...linear import adopt_linears
from ..decisions import random_masks
from ..macs import count_macs
from ..peers.matched import peers_at_macs
from .row import Setting

ARCH, WIDTH, HEADS = 'vit_small_patch16_224', 384, 6
PATCH, REGION = 16, 32
CLASSES = 150


def plain_vit(img_size: int | tuple[int, int]) -> VisionTransformer:
    """Build timm's ViT-S/16 without classifier, patch 16."""
    return cast(VisionTransformer, timm.create_model(ARCH, img_size=img_size, num_classes=0, global_pool='').eval())


def mixed_vit(img_size: int, tokens: int | None = None, **options: Any) -> MSViT:
    """Build MSViT-S/16,32 whose gate runs and finds the most needed regions, so many that an image has ``tokens`` tokens.

    Args:
        img_size: side in pixels, a multiple of 32.
        tokens: of each image; of the form Nc + 3 k. None: no gate, every region fine.
        **options: of `MSViT`.
    """
    return MSViT(ARCH, img_size=img_size, gate=gate(img_size, tokens), out_type='tokens', **options).eval()


def peers_of(mixed: MSViT, size: int, setting: Setting) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Put the weights of a mixed-scale ViT into a plain ViT, and into token merging and pruning at its MACs.

    Args:
        mixed: of the architecture `ARCH`.
        size: side of its images in pixels.
        setting: where to run.

    Returns:
        The plain ViT; the others by method and setting.
    """
    dense, image = setting.place(plain_vit(size)), setting.images(1, 3, size, size)
    dense.load_state_dict(mixed.state_dict(), strict=False)
    adopt_linears(dense)  # the same matrix products for all
    hosts = {}
    for name, kind in dict(EViT=MSEViT, DynamicViT=MSDyViT).items():
        hosts[name] = setting.place(kind(ARCH, img_size=size, out_type='tokens')).eval()
        hosts[name].load_state_dict(mixed.state_dict(), strict=False)
    peers = peers_at_macs(dense, hosts, image, (size // PATCH) ** 2, count_macs(lambda: mixed(image)))
    return dense, {', '.join(names): peer for names, peer in peers.items()}


def gate(img_size: int, tokens: int | None) -> dict[str, Any] | None:
    """A gate that makes so many regions fine that an image has ``tokens`` tokens; None for every region fine."""
    if tokens is None:
        return None
    return dict(type='msvit.MLPGate', threshold=0.0, budget=fine_regions(img_size, tokens))


def fine_regions(img_size: int, tokens: int) -> int:
    """Regions that must be fine for so many tokens: each adds three to the one that every region has.

    Raises:
        ValueError: no number of fine regions gives so many tokens.
    """
    regions = (img_size // REGION) ** 2
    fine, rest = divmod(tokens - regions, 3)
    if rest or not 0 <= fine <= regions:
        raise ValueError(f'{tokens} tokens are no {regions} + 3 k with k from 0 to {regions}')
    return fine


def fine_masks(img_size: int, tokens: list[int]) -> Tensor:
    """Random masks (B, Hc, Wc) with which the images of a batch have so many tokens."""
    side = img_size // REGION
    return random_masks([fine_regions(img_size, count) for count in tokens], (side, side))


def mmseg_segmenter(img_size: int) -> BaseSegmentor:
    """mmsegmentation's own Segmenter-S/16 with a mask transformer, as its configs build it."""
    backbone = dict(
        type='mmseg.VisionTransformer',
        img_size=(img_size, img_size),
        patch_size=PATCH,
        embed_dims=WIDTH,
        num_layers=12,
        num_heads=HEADS,
        final_norm=True,
        norm_cfg=dict(type='LN', eps=1e-6),
        with_cls_token=True,
        interpolate_mode='bicubic',
    )
    return _segmenter(backbone, 'mmseg.SegmenterMaskTransformerHead')


def mixed_segmenter(img_size: int, tokens: int | None = None, kind: str = 'EncoderDecoder', **test_cfg: Any) -> BaseSegmentor:
    """MSSeg-S/16,32; without ``tokens`` its dense twin on the same blocks and head.

    Args:
        img_size: side in pixels, a multiple of 32.
        tokens: of each image, as in `mixed_vit`.
        kind: the segmentor's registered type.
        **test_cfg: of the segmentor, by default whole images.
    """
    backbone = dict(type='msvit.MSViT', arch=ARCH, img_size=img_size, gate=gate(img_size, tokens), out_type='tokens')
    return _segmenter(backbone, 'msvit.MixedScaleSegmenterHead', kind, **test_cfg)


def segmenter_head(name: str) -> nn.Module:
    """A mask-transformer head of Segmenter-S by its registered name."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(_head(name)).eval()


def _segmenter(backbone: dict[str, Any], head: str, kind: str = 'EncoderDecoder', **test_cfg: Any) -> BaseSegmentor:
    config = dict(type=kind, backbone=backbone, decode_head=_head(head), test_cfg={'mode': 'whole', **test_cfg})
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(ConfigDict(config)).eval()


def _head(name: str) -> dict[str, Any]:
    """The config of a mask-transformer head by its registered name."""
    widths = dict(in_channels=WIDTH, channels=WIDTH, embed_dims=WIDTH, num_heads=HEADS)
    return dict(type=name, num_classes=CLASSES, num_layers=2, dropout_ratio=0.0, **widths)

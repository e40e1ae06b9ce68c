"""mmseg's own Segmenter, converted, against MSViT with every region fine and the mixed-scale head."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS

from msvit.checkpoints import load_vit

WIDTH, HEADS, SIDE, CLASSES = 48, 3, 512, 7
NORM = dict(type='LN', eps=1e-6, requires_grad=True)


def segmenter(backbone: dict, head: str, **options) -> torch.nn.Module:
    decode_head = dict(
        type=head,
        in_channels=WIDTH,
        channels=WIDTH,
        num_classes=CLASSES,
        num_layers=2,
        num_heads=HEADS,
        embed_dims=WIDTH,
        dropout_ratio=0.0,
        **options,
    )
    config = dict(type='mmseg.EncoderDecoder', backbone=backbone, decode_head=decode_head, test_cfg=dict(mode='whole'))
    return MODELS.build(ConfigDict(config))


@pytest.mark.parametrize('size', [(512, 512), (512, 640)])
def test_converted_weights_give_the_same_logits(size, perturb, assert_relative, tmp_path):
    torch.manual_seed(0)
    theirs = segmenter(
        dict(
            type='mmseg.VisionTransformer',
            img_size=(SIDE, SIDE),
            patch_size=16,
            embed_dims=WIDTH,
            num_layers=3,
            num_heads=HEADS,
            final_norm=True,
            norm_cfg=NORM,
            with_cls_token=True,
            interpolate_mode='bilinear',
        ),
        'mmseg.SegmenterMaskTransformerHead',
    )
    perturb(theirs).eval()
    torch.save({'state_dict': theirs.state_dict()}, tmp_path / 'segmenter.pth')
    ours = segmenter(
        dict(
            type='msvit.MSViT',
            arch=dict(embed_dim=WIDTH, depth=3, num_heads=HEADS, patch_size=16),
            img_size=SIDE,
            coarse_patch_size=32,
            pos_embed_mode='bilinear',
            out_type='tokens',
        ),
        'msvit.MixedScaleSegmenterHead',
        pretrained=str(tmp_path / 'segmenter.pth'),
    ).eval()
    assert load_vit(ours.backbone, tmp_path / 'segmenter.pth').complete
    ours.decode_head.init_weights()
    images = torch.randn(1, 3, *size)
    with torch.no_grad():
        expected = theirs(images, mode='tensor')
        actual = ours(images, mode='tensor')
    assert actual.shape == expected.shape == (1, CLASSES, size[0] // 16, size[1] // 16)
    assert_relative(actual, expected, 1e-4)

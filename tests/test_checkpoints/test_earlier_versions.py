"""Checkpoints that version 0.1.0 wrote still load, and give the numbers that they gave then."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS as MMSEG_MODELS
from safetensors.torch import load_file
from torch import Tensor, nn

from msvit.backbones import MSDyViT, MSSwin
from msvit.checkpoints import read_checkpoint

FOLDER = Path(__file__).parent / 'written_by_0_1_0'
GATE = dict(type='msvit.MLPGate', coarse_patch_size=8, hidden_dims=(8,))
VIT = dict(embed_dim=16, depth=2, num_heads=2, patch_size=4, mlp_ratio=2)


def segmentor(weights: Path) -> nn.Module:
    """A runner's checkpoint of a whole segmentor: backbone, gate, learned priors and Segmenter head."""
    init_default_scope('mmseg')
    config = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor'),
        backbone=dict(
            **dict(type='msvit.MSViT', arch=VIT, img_size=32, coarse_patch_size=8, gate=GATE, out_type='tokens'),
            gate_loss=dict(type='msvit.GBaSLoss', target=0.5),
        ),
        decode_head=dict(
            **dict(type='msvit.MixedScaleSegmenterHead', in_channels=16, channels=16, num_classes=3, num_layers=1),
            **dict(num_heads=2, embed_dims=16, mlp_ratio=2),
        ),
        test_cfg=dict(mode='whole'),
    )
    model = MMSEG_MODELS.build(config)
    model.load_state_dict(read_checkpoint(weights))
    return model.eval()


def swin(weights: Path) -> nn.Module:
    """Exported weights of a Swin whose coarse regions enter at its second stage."""
    arch = dict(embed_dim=8, depths=(1, 2), num_heads=(1, 2), window_size=2, patch_size=4, mlp_ratio=2)
    return MSSwin(
        **dict(arch=arch, img_size=32, coarse_patch_size=8, gate=GATE, out_indices=(0, 1), norm_outputs=True),
        pretrained=weights,
    ).eval()


def pruning(weights: Path) -> nn.Module:
    """Exported weights of a ViT that prunes tokens."""
    return MSDyViT(VIT, prune_at=(1,), img_size=32, coarse_patch_size=8, gate=GATE, pretrained=weights).eval()


def outputs(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """The gate's decisions, and what the model makes of images."""
    backbone = getattr(model, 'backbone', model)
    features = backbone(images)
    if hasattr(model, 'decode_head'):
        features = (model.decode_head(features),)
    results = {f'output.{i}': feature for i, feature in enumerate(features)}
    return results | {'p_fine': backbone.decide(images).p_fine}


CASES = [
    pytest.param(segmentor, 'segmentor.pth', id='segmentor'),
    pytest.param(swin, 'swin.safetensors', id='swin'),
    pytest.param(pruning, 'pruning.safetensors', id='pruning'),
]


@pytest.mark.parametrize(('build', 'file'), CASES)
@torch.no_grad()
def test_a_checkpoint_gives_the_numbers_that_it_gave(build: Callable, file: str, assert_relative):
    weights = FOLDER / file
    expected = load_file(weights.with_suffix('.outputs'))
    found = outputs(build(weights), expected.pop('images'))
    assert found.keys() == expected.keys()
    mask = expected['p_fine'] > 0.5
    assert mask.any() and not mask.all()
    for name, value in expected.items():
        assert_relative(found[name], value)

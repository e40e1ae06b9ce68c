"""8-bit layers: the same decisions, nearly the same features."""

import pytest
import torch
from torch import nn
from torch.ao.nn.quantized.dynamic import Linear as Int8Linear

from msvit.backbones import MSViT
from msvit.heads import MixedScaleSegmenterHead
from msvit.linear import Linear
from msvit.quantization import quantize_linears

WIDTH, CLASSES = 64, 7


@pytest.fixture
def model(perturb) -> nn.Module:
    torch.manual_seed(0)
    sizes = dict(embed_dim=WIDTH, depth=2, num_heads=2, patch_size=8)
    backbone = MSViT(sizes, img_size=64, coarse_patch_size=16, gate=dict(type='msvit.MLPGate'), out_type='tokens')
    head = MixedScaleSegmenterHead(
        in_channels=WIDTH, channels=WIDTH, num_classes=CLASSES, num_layers=2, num_heads=2, embed_dims=WIDTH
    )
    torch.nn.init.normal_(backbone.gate.mlp[-1].weight, std=1.0)
    return nn.Sequential(backbone, head).eval()


def test_decisions_stay_and_features_nearly(model):
    images = torch.randn(2, 3, 64, 64)
    small = quantize_linears(model)
    with torch.no_grad():
        expected, actual = model[0](images)[0], small[0](images)[0]
        assert torch.equal(actual.fine_mask, expected.fine_mask)
        assert (actual.x - expected.x).norm() < 0.1 * expected.x.norm()
        assert not torch.equal(actual.x, expected.x)
        assert (small(images) - model(images)).norm() < 0.2 * model(images).norm()


def test_the_blocks_are_quantised_and_the_rest_is_not(model):
    small = quantize_linears(model)
    assert isinstance(small[0].blocks[0].mlp.fc1, Int8Linear)
    assert isinstance(small[1].layers[0].ffn.layers[1], Int8Linear)
    assert isinstance(small[0].gate.mlp[0], Linear)
    assert not any(isinstance(part, Int8Linear) for part in model.modules())


@pytest.mark.parametrize(
    ('model', 'message'), [(nn.Linear(2, 2), 'no linear layer'), (nn.Sequential(Linear(2, 2)).double(), 'run on CPUs')]
)
def test_models_that_cannot_be_quantised(model, message):
    with pytest.raises(ValueError, match=message):
        quantize_linears(model)

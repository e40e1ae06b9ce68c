"""Lessons without labels: what the dense model itself looks at, and what it tells apart."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import nn

from msvit.attention import project
from msvit.backbones import TokenTrace
from msvit.teachers import DenseTeacher, LabelTeacher, attended_share


def classifier(backbone: nn.Module) -> nn.Module:
    model = nn.Module()
    model.backbone = backbone
    return model.train()


def segmentor() -> EncoderDecoder:
    torch.manual_seed(0)
    backbone = dict(
        type='msvit.MSViT',
        arch=dict(embed_dim=32, depth=2, num_heads=2, patch_size=8),
        img_size=32,
        coarse_patch_size=16,
        gate=dict(type='msvit.RandomGate', coarse_patch_size=16),
    )
    head = dict(type='FCNHead', in_channels=32, channels=32, num_convs=0, concat_input=False, num_classes=5)
    return EncoderDecoder(backbone, head, test_cfg=ConfigDict(mode='whole')).train()


def test_the_attention_of_the_class_token_written_out(tiny_msvit):
    net = tiny_msvit(dict(depth=3))
    images = torch.randn(2, 3, 32, 32)
    x = net.tokenize(images, torch.ones(2, 2, 2, dtype=torch.bool)).x.unflatten(1, (2, -1))[0]
    attended = torch.zeros(2, 16)
    for i, block in enumerate(net.blocks):
        q, k, _ = project(block.attn, block.norm1(x)).unbind(2)
        scores = torch.einsum('bhd,bnhd->bhn', q[:, 0], k) * q.shape[-1] ** -0.5
        if i >= 1:
            attended += scores.softmax(dim=-1).mean(dim=1)[:, 1:]
        x = block(x)
    regions = attended.view(2, 2, 2, 2, 2).sum(dim=(2, 4))
    expected = regions / regions.mean(dim=(1, 2), keepdim=True)
    assert torch.allclose(attended_share(net, images), expected, atol=1e-5)


def test_a_region_of_average_weight_deserves_a_half(tiny_msvit):
    model = classifier(tiny_msvit())
    targets = DenseTeacher().targets(model, dict(inputs=torch.randn(3, 3, 40, 56)), 16)
    assert targets.shape == (3, 3, 4)
    assert targets.min() >= 0 and targets.max() <= 1
    shares = attended_share(model.backbone, torch.randn(3, 3, 40, 56))
    assert torch.allclose(shares.mean(dim=(1, 2)), torch.ones(3), atol=1e-5)


def test_a_segmentor_teaches_by_its_own_labels():
    model = segmentor()
    images = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        features = model.eval().backbone(images, fine_mask=torch.ones(2, 2, 3, dtype=torch.bool))
        scores = nn.functional.interpolate(model.decode_head(features), size=(32, 48), mode='bilinear')
    model.train()
    samples = [SegDataSample(gt_sem_seg=PixelData(data=labels[None])) for labels in scores.argmax(dim=1)]
    expected = LabelTeacher().targets(model, dict(data_samples=samples, inputs=images), 16)
    targets = DenseTeacher().targets(model, dict(inputs=images), 16)
    assert torch.equal(targets, expected)
    assert targets.unique().numel() > 1


@pytest.mark.parametrize('training', [True, False])
def test_the_model_stays_in_its_mode(training):
    model = segmentor().train(training)
    DenseTeacher().targets(model, dict(inputs=torch.randn(1, 3, 32, 32)), 16)
    assert all(module.training == training for module in (model, model.decode_head))


def test_nothing_of_it_is_logged_or_kept(tiny_msvit):
    model = classifier(tiny_msvit(gate=dict(type='msvit.MLPGate', coarse_patch_size=16)))
    trace = TokenTrace()
    DenseTeacher().targets(model, dict(inputs=torch.randn(1, 3, 32, 32)), 16)
    assert model.backbone.pop_gate_losses() == {}
    assert trace.drain() == []


def test_a_vit_without_a_class_token_is_refused(tiny_msvit):
    net = tiny_msvit()
    net.cls_token = None
    with pytest.raises(ValueError, match='what the class token attends to, and this MSViT has none'):
        DenseTeacher().targets(classifier(net), dict(inputs=torch.randn(1, 3, 32, 32)), 16)


@pytest.mark.parametrize('full_share', [0, 1.1])
def test_a_share_out_of_range(full_share):
    with pytest.raises(ValueError, match='full_share'):
        DenseTeacher(full_share)

"""MSViT by ``timm.create_model``."""

import pytest
import timm
import torch

from msvit.backbones import MSViT, TimmMSViT
from msvit.backbones.timm_entries import ENTRIES

GATE = dict(type='msvit.UniformGate', fine_share=0.5)


@pytest.mark.parametrize('name', ENTRIES)
def test_every_entry_builds(name):
    assert name in timm.list_models('msvit_*')
    with torch.device('meta'):
        net = timm.create_model(name, gate=GATE, num_classes=7)
    assert isinstance(net, TimmMSViT)
    assert net.get_classifier().out_features == 7
    assert timm.data.resolve_model_data_config(net)['input_size'] == (3, *net._side)


def test_with_every_region_fine_it_is_timms_vit(tmp_path, assert_relative):
    vit = timm.create_model('vit_tiny_patch16_224', num_classes=5).eval()
    torch.save(vit.state_dict(), tmp_path / 'vit.pth')
    options = dict(pretrained=True, pretrained_cfg_overlay=dict(file=str(tmp_path / 'vit.pth'), num_classes=5))
    net = timm.create_model('msvit_tiny_patch16_224', num_classes=5, **options).eval()
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert_relative(net(images), vit(images))
        ours, theirs = net.forward_features(images), vit.forward_features(images)
        assert_relative(ours, theirs)
        assert_relative(net.forward_head(ours, pre_logits=True), vit.forward_head(theirs, pre_logits=True))
    loaded = timm.create_model('msvit_tiny_patch16_224', num_classes=5, checkpoint_path=str(tmp_path / 'vit.pth'))
    torch.testing.assert_close(loaded.state_dict(), net.state_dict())


def test_the_gate_decides(assert_relative):
    net = timm.create_model('msvit_tiny_patch16_224', gate=GATE, num_classes=0).eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        tokens = net.forward_tokens(images)
        assert tokens.counts.tolist() == [49 + 3 * 24] * 2
        assert_relative(net(images), tokens.prefix()[:, 0])
    net.reset_classifier(3)
    assert net(images).shape == (2, 3)


def test_features_only():
    net = timm.create_model('msvit_tiny_patch16_224', gate=GATE, features_only=True, out_indices=(5, 11)).eval()
    assert isinstance(net.net, MSViT)
    assert net.feature_info.channels() == [192, 192]
    assert net.feature_info.reduction() == [16, 16]
    maps = net(torch.randn(1, 3, 224, 160))
    assert [tuple(map_.shape) for map_ in maps] == [(1, 192, 14, 10)] * 2

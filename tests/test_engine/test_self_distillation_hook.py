"""A mixed-scale model near the dense one that it was."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS
from torch import nn

from msvit.backbones import TokenTrace
from msvit.checkpoints import CheckpointError, save_weights
from msvit.engine import SelfDistillationHook

BACKBONE = dict(
    type='msvit.MSViT', arch=dict(embed_dim=16, depth=1, num_heads=2, patch_size=8), img_size=32, coarse_patch_size=16
)
COARSE = dict(type='msvit.RadialGate', fine_share=0.0)
HEAD = dict(type='mmseg.FCNHead', in_channels=16, channels=16, num_convs=0, num_classes=3, concat_input=False, dropout_ratio=0)
UNFOLD = dict(type='msvit.UnfoldTokens', in_channels=16)


def segmentor(gate: dict | None, num_classes: int = 3, neck: dict | None = None) -> nn.Module:
    backbone = dict(BACKBONE, gate=gate, out_type='tokens' if neck else 'featmap')
    config = dict(type='mmseg.EncoderDecoder', backbone=backbone, decode_head=dict(HEAD, num_classes=num_classes))
    return MODELS.build(ConfigDict(config, test_cfg=dict(mode='whole'), **({'neck': neck} if neck else {})))


def classifier(gate: dict | None) -> nn.Module:
    head = dict(type='mmpretrain.LinearClsHead', in_channels=16, num_classes=3)
    return MODELS.build(
        ConfigDict(type='mmpretrain.ImageClassifier', backbone=dict(BACKBONE, gate=gate, out_type='cls_token'), head=head)
    )


@pytest.fixture
def taught(tmp_path, perturb):
    """Makes a host that a checkpoint of its dense twin teaches, with the twin's weights, in training mode."""

    def build(make, gate=COARSE, **kwargs) -> nn.Module:
        dense, host = perturb(make(None)), make(gate, **kwargs)
        host.load_state_dict(dense.state_dict(), strict=False)
        file = save_weights(dense, tmp_path / 'dense.safetensors')
        SelfDistillationHook(file).before_train(SimpleNamespace(model=host))
        return host.train()

    return build


IMAGES = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('make', [segmentor, classifier])
def test_the_loss_is_that_of_coarse_tokens_alone(make, taught):
    all_fine = taught(make, gate=None)
    assert all_fine(IMAGES, mode='loss')['loss_distill'].item() == pytest.approx(0, abs=1e-6)
    host = taught(make)
    losses = host(IMAGES, mode='loss')
    assert set(losses) == {'loss_distill'} and losses['loss_distill'] > 1e-4
    losses['loss_distill'].backward()
    assert host.backbone.patch_embed.proj.weight.grad.abs().sum() > 0


def test_the_teacher_is_no_part_of_the_host(taught):
    host, plain = taught(segmentor), segmentor(COARSE)
    assert host.state_dict().keys() == plain.state_dict().keys()
    trace = TokenTrace()
    before = host(IMAGES, mode='loss')['loss_distill'].item()
    assert trace.drain() == [], 'metrics do not count the passes of the teacher'
    with torch.no_grad():
        host.decode_head.conv_seg.bias += torch.tensor([0.0, 3.0, -3.0])
    assert host(IMAGES, mode='loss')['loss_distill'].item() > before + 0.1, 'the teacher stays what it was'


def test_the_dense_twin_needs_no_unfolding(taught):
    host = taught(segmentor, neck=UNFOLD)
    losses = host(IMAGES, mode='loss')
    losses['loss_distill'].backward()
    assert host.neck.weight.grad.abs().sum() > 0


def test_what_cannot_teach_is_refused(taught, tmp_path):
    host = taught(classifier)
    with pytest.raises(CheckpointError, match='does not fit the model without its gate'):
        SelfDistillationHook(tmp_path / 'dense.safetensors').before_train(SimpleNamespace(model=segmentor(COARSE)))
    host.head = None
    with pytest.raises(ValueError, match='gives no scores of several classes'):
        host(IMAGES, mode='loss')

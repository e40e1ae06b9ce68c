"""MSDeiT, plain and distilled, against timm's DeiT with its classifiers."""

import pytest
import timm
import torch
from mmengine.config import ConfigDict
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS

from msvit.backbones import MSDeiT, MSViT
from msvit.checkpoints import save_weights
from msvit.registry import MODELS

PLAIN, DISTILLED = 'deit_tiny_patch16_224', 'deit_tiny_distilled_patch16_224'
HEADS = {PLAIN: 'msvit.PretrainedClsHead', DISTILLED: 'msvit.PretrainedDeiTClsHead'}
archs = pytest.mark.parametrize('arch', [PLAIN, DISTILLED])


def classifier(arch: str, weights: str | None, **backbone):
    return MMPRETRAIN_MODELS.build(
        ConfigDict(
            type='ImageClassifier',
            backbone=dict(
                type='msvit.MSDeiT', arch=arch, img_size=64, pretrained=weights, pos_embed_mode='bicubic', **backbone
            ),
            head=dict(type=HEADS[arch], in_channels=192, num_classes=5, pretrained=weights),
        )
    )


@pytest.fixture
def theirs(request, perturb):
    """timm's DeiT for five classes, every parameter moved."""
    torch.manual_seed(0)
    return lambda arch: perturb(timm.create_model(arch, img_size=64, num_classes=5)).eval()


@archs
@torch.no_grad()
def test_backbone_and_classifier_of_one_checkpoint_are_timms_model(arch, theirs, tmp_path, assert_relative):
    theirs = theirs(arch)
    ours = classifier(arch, str(save_weights(theirs, tmp_path / 'deit.safetensors')))
    ours.init_weights()
    images = torch.randn(2, 3, 64, 64)
    assert_relative(ours.eval()(images, mode='tensor'), theirs(images))


@archs
def test_both_tokens_and_classifiers_learn(arch):
    gate = dict(type='msvit.MLPGate', hidden_dims=(4,), init_p_fine=0.5)
    model = classifier(arch, None, gate=gate, gate_loss=dict(type='msvit.GBaSLoss')).train()
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    features = model.extract_feat(torch.randn(2, 3, 64, 64))
    if arch == DISTILLED:
        assert [token.shape for token in features[0]] == [(2, 192), (2, 192)]
        assert not torch.equal(*features[0])
    (model.head(features).square().sum() + sum(model.backbone.pop_gate_losses().values())).backward()
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]


def test_a_distilled_checkpoint_serves_a_plain_head(theirs, tmp_path):
    theirs = theirs(DISTILLED)
    path = save_weights(theirs, tmp_path / 'deit.safetensors')
    ours = classifier(PLAIN, str(path))
    ours.init_weights()
    assert torch.equal(ours.head.layers.head.weight, theirs.head.weight)


def test_other_outputs_are_those_of_msvit(perturb):
    torch.manual_seed(0)
    deit = perturb(MSDeiT(DISTILLED, img_size=64, out_type='featmap')).eval()
    vit = MSViT(DISTILLED, img_size=64).eval()
    vit.load_state_dict(deit.state_dict())
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(deit(images)[0], vit(images)[0])


def test_found_in_the_registry_by_its_own_name():
    net = MODELS.build(dict(type='msvit.MSDeiT'))
    assert type(net) is MSDeiT
    assert (net.embed_dim, net.out_type, net.num_prefix_tokens) == (384, 'cls_token', 1)

"""The classifier of a whole ViT, from any of the layouts that hold one."""

import pytest
import timm
import torch
from mmpretrain.models.heads import DeiTClsHead, LinearClsHead, VisionTransformerClsHead

from msvit.checkpoints import CheckpointError, load_classifier, to_mmpretrain_classifier
from msvit.heads import PretrainedClsHead


def state_of(head: torch.nn.Module) -> dict:
    torch.nn.init.normal_(next(head.parameters()))
    return {f'head.{name}': value for name, value in head.state_dict().items()}


ORIGINS = {
    'timm': lambda: {'head.weight': torch.randn(3, 8), 'head.bias': torch.randn(3), 'cls_token': torch.zeros(1, 1, 8)},
    'timm, Swin': lambda: {'head.fc.weight': torch.randn(3, 8), 'head.fc.bias': torch.randn(3), 'norm.weight': torch.ones(8)},
    'mmpretrain, linear': lambda: state_of(LinearClsHead(3, 8)),
    'mmpretrain, ViT': lambda: state_of(VisionTransformerClsHead(3, 8)),
}


@pytest.mark.parametrize('origin', ORIGINS)
def test_every_layout_is_understood(origin):
    state = ORIGINS[origin]()
    head = VisionTransformerClsHead(3, 8)
    report = load_classifier(head, state)
    given = next(value for name, value in state.items() if name.endswith('weight'))
    assert torch.equal(head.layers.head.weight, given)
    assert report.complete


def test_the_classifier_of_a_whole_swin_gives_timms_scores():
    swin = timm.create_model(
        'swin_tiny_patch4_window7_224', img_size=32, embed_dim=8, depths=(1, 1), num_heads=(1, 2), num_classes=3
    ).eval()
    torch.nn.init.normal_(swin.head.fc.bias)
    head = PretrainedClsHead(num_classes=3, in_channels=16)
    report = load_classifier(head, swin.state_dict())
    assert (report.origin, report.complete) == ('timm', True)
    with torch.no_grad():
        images = torch.randn(2, 3, 32, 32)
        torch.testing.assert_close(head((swin.forward_head(swin.forward_features(images), pre_logits=True),)), swin(images))


@pytest.mark.parametrize(
    ('name', 'origin'), [('head.fc', 'timm'), ('head', 'timm'), ('head.fc', 'mmpretrain'), ('head.layers.head', 'mmpretrain')]
)
def test_the_report_names_the_origin(name, origin):
    backbone = 'backbone.norm3.weight' if origin == 'mmpretrain' else 'norm.weight'
    state = {f'{name}.weight': torch.randn(3, 8), f'{name}.bias': torch.randn(3), backbone: torch.ones(8)}
    assert load_classifier(VisionTransformerClsHead(3, 8), state).origin == origin


def test_the_second_classifier_of_a_distilled_deit():
    state = {**ORIGINS['timm'](), 'head_dist.weight': torch.randn(3, 8), 'head_dist.bias': torch.randn(3)}
    head = DeiTClsHead(3, 8)
    load_classifier(head, state)
    assert torch.equal(head.layers.head_dist.weight, state['head_dist.weight'])
    report = load_classifier(VisionTransformerClsHead(3, 8), state)
    assert report.notes == ['layers.head_dist.* not used: the model has no such part']


@pytest.mark.parametrize(
    ('state', 'message'),
    [
        ({'cls_token': torch.zeros(1)}, 'no linear classifier in the checkpoint'),
        ({'head.mlp.fc1.weight': torch.zeros(1)}, 'of that kind it has head.mlp.fc1.weight'),
        ({'head.weight': torch.zeros(21843, 8), 'head.bias': torch.zeros(21843)}, r'layers.head.weight: \(21843, 8\)'),
        ({'head.weight': torch.zeros(3, 8)}, r'(?s)missing \(1\):.*layers.head.bias'),
    ],
)
def test_misfits_are_named_and_the_head_stays(state, message):
    head = VisionTransformerClsHead(3, 8)
    before = head.layers.head.weight.clone()
    with pytest.raises(CheckpointError, match=message):
        load_classifier(head, state)
    assert torch.equal(head.layers.head.weight, before)


def test_names_that_fit_already_stay():
    state = to_mmpretrain_classifier(ORIGINS['timm']())
    assert sorted(state) == ['layers.head.bias', 'layers.head.weight']

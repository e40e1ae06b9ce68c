"""The backbones in mmpretrain: classifiers of one and of several labels, features, and its Python interfaces."""

import mmpretrain
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

VIT = dict(embed_dim=32, depth=2, num_heads=2, patch_size=8)
SWIN = dict(embed_dim=16, depths=(2, 2), num_heads=(1, 2), window_size=4)
LEARNED = dict(gate=dict(type='msvit.MLPGate', init_p_fine=0.5), gate_loss=dict(type='msvit.GBaSLoss'))
BACKBONES = [
    dict(type='msvit.MSViT', arch=VIT, img_size=32, coarse_patch_size=16, out_type='cls_token', **LEARNED),
    dict(type='msvit.MSDeiT', arch=VIT, img_size=32, coarse_patch_size=16, **LEARNED),
    dict(
        type='msvit.MSSwin',
        arch=SWIN,
        img_size=32,
        coarse_patch_size=8,
        out_type='avg_featmap',
        train_layout='masked',
        **LEARNED,
    ),
]
backbones = pytest.mark.parametrize('backbone', BACKBONES, ids=lambda backbone: backbone['type'])
FILES = ['small/msvit_mini4_32x32_cifar10.py', 'small/swin_mini2_32x32_cifar10.py']


def build_classifier(backbone: dict, head: dict) -> torch.nn.Module:
    init_default_scope('mmpretrain')
    torch.manual_seed(0)
    model = MODELS.build(dict(type='ImageClassifier', backbone=backbone, head=dict(num_classes=5, **head)))
    model.init_weights()
    return model


@backbones
@pytest.mark.parametrize('head', ['LinearClsHead', 'MultiLabelLinearClsHead'])
def test_classifiers_learn_and_answer(backbone, head):
    model = build_classifier(backbone, dict(type=head, in_channels=32)).train()
    samples = [DataSample(metainfo=dict(num_classes=5)).set_gt_label(label) for label in ([0, 3], [1])]
    if head == 'LinearClsHead':
        samples = [DataSample().set_gt_label(label) for label in (2, 4)]
    images = torch.randn(2, 3, 32, 32)
    losses = {**model.loss(images, samples), **model.backbone.pop_gate_losses()}
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())

    model.eval()
    scores = torch.stack([sample.pred_score for sample in model.predict(images)])
    logits = F.linear(model.backbone(images)[-1], model.head.fc.weight, model.head.fc.bias)
    assert torch.allclose(scores, logits.sigmoid() if 'Multi' in head else logits.softmax(dim=1))


@backbones
def test_the_parameterless_multi_label_head_takes_the_features_as_scores(backbone):
    init_default_scope('mmpretrain')
    settings = dict(type='ImageClassifier', backbone=backbone, head=dict(type='MultiLabelClsHead', topk=3))
    model = MODELS.build(settings).eval()
    images = torch.randn(2, 3, 32, 32)
    for sample, features in zip(model.predict(images), model.backbone(images)[-1], strict=True):
        assert torch.equal(sample.pred_score, features.sigmoid())
        assert set(sample.pred_label.tolist()) == set(features.topk(3).indices.tolist())


@backbones
@torch.no_grad()
def test_features_of_every_stage(backbone):
    model = build_classifier(backbone, dict(type='VisionTransformerClsHead', in_channels=32, hidden_dim=12)).eval()
    images = torch.randn(2, 3, 48, 32)
    (features,) = model.backbone(images)
    for stage in ('backbone', 'neck'):
        (found,) = model.extract_feat(images, stage=stage)
        assert torch.equal(found, features) and found.shape == (2, 32)
    hidden = F.linear(features, model.head.layers.pre_logits.weight, model.head.layers.pre_logits.bias).tanh()
    assert torch.allclose(model.extract_feat(images, stage='pre_logits'), hidden, atol=1e-6)


@torch.no_grad()
def test_a_swin_with_maps_takes_mmpretrains_pooling():
    backbone = dict(BACKBONES[2], out_type='featmap', out_indices=(0, 1))
    pooled = dict(type='ImageClassifier', backbone=backbone, neck=dict(type='GlobalAveragePooling'))
    init_default_scope('mmpretrain')
    model = MODELS.build(dict(pooled, head=dict(type='LinearClsHead', num_classes=5, in_channels=32))).eval()
    images = torch.randn(2, 3, 32, 32)
    first, last = model.extract_feat(images, stage='neck')
    assert first.shape == (2, 16) and torch.allclose(last, model.backbone(images)[1].mean(dim=(2, 3)), atol=1e-6)


@pytest.mark.parametrize('name', FILES)
@torch.no_grad()
def test_get_model_reads_a_config_file_and_a_checkpoint(name, trained):
    config, checkpoint, model = trained(name)
    read = mmpretrain.get_model(config, pretrained=checkpoint)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(read(images), model(images))


def test_initial_weights_need_not_be_fetched_for_a_trained_model(trained):
    config, checkpoint, _ = trained(FILES[0])
    config = Config.fromfile(config)
    config.model.backbone.pretrained = 'long_gone.pth'
    mmpretrain.get_model(config, pretrained=checkpoint)
    with pytest.raises(FileNotFoundError, match='long_gone'):
        mmpretrain.get_model(config).init_weights()  # as a training begins


@pytest.mark.parametrize('name', FILES)
def test_the_inferencer_takes_files_and_arrays(name, trained, photo):
    config, checkpoint, model = trained(name)
    inferencer = mmpretrain.ImageClassificationInferencer(config, pretrained=checkpoint, device='cpu')
    results = inferencer([*photo], batch_size=2)
    again = mmpretrain.ImageClassificationInferencer(mmpretrain.get_model(config, pretrained=checkpoint))(photo[0])
    for result in (*results, *again):
        assert np.allclose(result['pred_scores'], results[0]['pred_scores'], atol=1e-6)
        assert result['pred_class'] == f'class {result["pred_scores"].argmax()}'


def test_the_feature_extractor_gives_class_tokens(trained, photo):
    config, checkpoint, model = trained(FILES[0])
    extract = mmpretrain.FeatureExtractor(config, pretrained=checkpoint, device='cpu')
    (features,) = extract(photo[0], stage='backbone')[0]
    assert features.shape == (96,) and torch.equal(features, extract(photo[1], stage='pre_logits')[0])

"""Changing the input size of a config: everything that says it, once, or nothing."""

from copy import deepcopy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from shipped_configs import load_config

from msvit.analysis.input_size import native_size, set_input_size
from msvit.backbones import MSViT

CLASSIFIER = """
data_preprocessor = dict(size=(224, 224))
model = dict(
    backbone=dict(img_size=224, coarse_patch_size=32, gate_loss=dict(grid=(7, 7), target=0.5)),
    data_preprocessor=data_preprocessor,
)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmpretrain.RandomResizedCrop', scale=224),
    dict(type='RandomErasing', min_area_ratio=0.02),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short'),
    dict(type='CenterCrop', crop_size=(224, 224)),
]
train_dataloader = dict(dataset=dict(type='RepeatDataset', dataset=dict(pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
"""


@pytest.fixture
def classifier(tmp_path) -> Config:
    path = tmp_path / 'classifier.py'
    path.write_text(CLASSIFIER)
    return Config.fromfile(path)


def with_training(*transforms: dict, **backbone) -> Config:
    """A config of 32 pixels with a training pipeline alone."""
    pipeline = [dict(type='LoadImageFromFile'), *transforms]
    return Config(
        dict(model=dict(backbone={'img_size': 32, **backbone}), train_dataloader=dict(dataset=dict(pipeline=pipeline)))
    )


def test_every_place_that_says_the_size_changes_once(classifier):
    set_input_size(classifier, 384)
    backbone = classifier.model.backbone
    assert (backbone.img_size, backbone.gate_loss.grid, backbone.gate_loss.target) == (384, (12, 12), 0.5)
    assert classifier.model.data_preprocessor.size == classifier.data_preprocessor.size == (384, 384)
    assert classifier.train_dataloader.dataset.dataset.pipeline[1].scale == 384
    for loader in (classifier.val_dataloader, classifier.test_dataloader):
        assert loader.dataset.pipeline[1].scale == 439  # 256 * 384 / 224
        assert loader.dataset.pipeline[2].crop_size == (384, 384)
    assert classifier.train_pipeline[1].scale == 384
    assert classifier.train_pipeline[2].min_area_ratio == 0.02


@pytest.mark.parametrize('name', ['msvit_s16', 'vit_s16'])
@pytest.mark.parametrize('size', [128, 160, 192, 288, 320, 384])
def test_it_does_what_the_configs_own_variable_does(name, size, monkeypatch):
    cfg = load_config(f'{name}_224x224_in1k')
    set_input_size(cfg, size)
    monkeypatch.setenv('MSVIT_IMG_SIZE', str(size))
    assert cfg.to_dict() == load_config(f'{name}_224x224_in1k').to_dict()


def test_shared_objects_are_scaled_once(classifier):
    classifier.test_dataloader = classifier.val_dataloader
    assert classifier.test_dataloader.dataset.pipeline is classifier.val_dataloader.dataset.pipeline
    set_input_size(classifier, 448)
    assert classifier.val_dataloader.dataset.pipeline[1].scale == 512


def test_there_and_back(classifier):
    before = deepcopy(classifier.to_dict())
    set_input_size(classifier, 448)
    assert classifier.to_dict() != before
    set_input_size(classifier, 224)
    assert classifier.to_dict() == before


@pytest.mark.parametrize(
    ('transform', 'expected'),
    [
        (dict(type='RandomResizedCrop', scale=(32, 32)), dict(scale=(48, 48))),
        (dict(type='RandomResizedCrop', scale=[32, 32]), dict(scale=[48, 48])),
        (dict(type='RandomCrop', crop_size=32, padding=4), dict(crop_size=48, padding=6)),
        (dict(type='RandomCrop', crop_size=(32, 32), padding=None), dict(crop_size=(48, 48), padding=None)),
        (dict(type='RandomResize', scale=(128, 32), ratio_range=(0.5, 2.0)), dict(scale=(192, 48), ratio_range=(0.5, 2.0))),
        (dict(type='Resize', scale=(64, -1), keep_ratio=True), dict(scale=(96, -1))),
        (dict(type='RandomChoiceResize', scales=[(32, 32), (40, 64)]), dict(scales=[(48, 48), (60, 96)])),
        (dict(type='ResizeEdge', scale=37), dict(scale=56)),
    ],
)
def test_sizes_of_transforms(transform, expected):
    cfg = with_training(transform)
    set_input_size(cfg, 48)
    assert cfg.train_dataloader.dataset.pipeline[1].to_dict() == {**transform, **expected}


def test_transforms_within_transforms():
    nested = [[dict(type='Resize', scale=32)], [dict(type='Resize', scale=64), dict(type='CenterCrop', crop_size=32)]]
    cfg = with_training(dict(type='RandomChoice', transforms=nested))
    set_input_size(cfg, 64)
    first, second = cfg.train_dataloader.dataset.pipeline[1].transforms
    assert (first[0].scale, second[0].scale, second[1].crop_size) == (64, 128, 64)


def test_regions_are_rounded_up():
    cfg = with_training(dict(type='Resize', scale=32), coarse_patch_size=16, gate_loss=dict(grid=(2, 2)))
    set_input_size(cfg, 50)
    assert cfg.model.backbone.gate_loss.grid == (4, 4)


def test_nothing_is_invented():
    cfg = with_training(dict(type='Resize', scale=32), gate_loss=None)
    set_input_size(cfg, 64)
    assert cfg.to_dict() == with_training(dict(type='Resize', scale=64), gate_loss=None).to_dict() | {
        'model': dict(backbone=dict(img_size=64, gate_loss=None))
    }


def test_the_same_size_changes_nothing():
    cfg = with_training()
    set_input_size(cfg, 32)
    assert cfg.to_dict() == with_training().to_dict()


@pytest.mark.parametrize(
    ('cfg', 'size', 'message'),
    [
        (with_training(), 64, 'no transform of train_dataloader determines the size'),
        (with_training(dict(type='Resize', scale_factor=2)), 64, 'no transform of train_dataloader'),
        (with_training(dict(type='Resize', scale=32), img_size=(32, 48)), 64, r'img_size is \(32, 48\)'),
        (with_training(dict(type='Resize', scale=32), img_size=None), 64, 'img_size is None'),
        (with_training(dict(type='RandomCrop', crop_size=(32, 48))), 64, r'images of \(32, 48\) pixels, .*img_size is 32'),
        (with_training(dict(type='Resize', scale=64)), 48, 'images of 64 pixels'),
        (with_training(dict(type='Resize', scale=32)), 0, 'must be a positive int, got 0'),
        (with_training(dict(type='Resize', scale=32)), 64.0, 'must be a positive int'),
    ],
)
def test_a_refused_config_stays_as_it_was(cfg, size, message):
    before = deepcopy(cfg.to_dict())
    with pytest.raises(ValueError, match=message):
        set_input_size(cfg, size)
    assert cfg.to_dict() == before


def test_a_validation_at_its_own_size_is_refused(classifier):
    classifier.val_dataloader.dataset.pipeline = [dict(type='LoadImageFromFile')]
    with pytest.raises(ValueError, match='no transform of val_dataloader'):
        set_input_size(classifier, 384)
    assert classifier.model.backbone.img_size == 224


def test_a_segmenter_with_sliding_windows_trains_at_its_new_size():
    cfg = load_config('msseg_s16_512x512_ade20k')
    set_input_size(cfg, 256)
    assert cfg.model.test_cfg.to_dict() == dict(mode='slide', crop_size=(256, 256), stride=(240, 240))
    assert [step.get('scale') for step in cfg.val_dataloader.dataset.pipeline] == [None, (1024, 256), None, None]
    cfg.model.backbone.update(arch=dict(embed_dim=32, depth=1, num_heads=1, patch_size=16), pretrained=None)
    cfg.model.decode_head.update(in_channels=32, channels=32, embed_dims=32, num_heads=1, num_layers=1)
    init_default_scope('mmseg')
    model = MODELS.build(cfg.model).train()
    model.backbone(torch.zeros(2, 3, *cfg.train_dataloader.dataset.pipeline[4].crop_size))
    assert 'loss_gate_prior' in model.backbone.pop_gate_losses()


@pytest.mark.parametrize(
    ('name', 'size'),
    [
        ('msseg_s16_512x512_ade20k', (512, 512)),  # sliding windows
        ('msseg_s14_448x336_camvid', (336, 448)),  # embeddings of 518 pixels
        ('msseg_s14_448x336_camvid_cpu', (336, 448)),  # trained on crops of 224
        ('msvit_s16_224x224_in1k', (224, 224)),  # cropped
        ('swin_mini4_64x64_digit_scenes_pretrain', (64, 64)),  # said by the data preprocessor
    ],
)
def test_native_size_is_that_of_the_test(name, size):
    backbone = MSViT(dict(embed_dim=4, depth=1, num_heads=1, patch_size=16), img_size=96)
    assert native_size(load_config(name), backbone) == size


def test_native_size_without_any_word_of_it_is_the_backbones():
    backbone = MSViT(dict(embed_dim=4, depth=1, num_heads=1, patch_size=16), img_size=(96, 64))
    resize = dict(type='Resize', scale=(2048, 512), keep_ratio=True)
    cfg = Config(dict(model=dict(), test_dataloader=dict(dataset=dict(pipeline=[resize]))))
    assert native_size(cfg, backbone) == (96, 64)

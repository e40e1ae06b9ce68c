"""The configs of a conversion."""

from pathlib import Path

import pytest
from mmengine.config import Config
from shipped_configs import load_config

from msvit.backbones import MSViT
from msvit.conversion.configs import mixed_config, training_config, with_test_data, without_labels
from msvit.parts import class_name
from msvit.registry import MODELS

TEACHER = dict(type='msvit.LabelTeacher')


def mixed(cfg: Config) -> Config:
    backbone = MODELS.build({**cfg.model.backbone, 'pretrained': None})
    assert isinstance(backbone, MSViT)
    return mixed_config(cfg, backbone, Path('out/mixed.safetensors'))


def training(cfg: Config, iters: int = 100) -> Config:
    return training_config(mixed(cfg), 'dense.pth', 0.4, iters, 50, TEACHER, Path('out/training'))


def kinds(hooks: list[dict]) -> list[str]:
    return [class_name(hook) for hook in hooks]


def test_one_map_without_a_neck_is_unfolded():
    cfg = mixed(load_config('vit_mini8_linear_128x128_digit_scenes'))
    assert cfg.model.backbone.gate == dict(type='msvit.ContextGate', frozen=True)
    assert cfg.model.neck == dict(type='msvit.UnfoldTokens', in_channels=128, ratio=2)
    assert cfg.model.backbone.out_type == 'tokens'
    assert cfg.load_from == 'out/mixed.safetensors', 'from where a training would go on'


@pytest.mark.parametrize(
    'name',
    [
        *('vit_mini8_upernet_128x128_digit_scenes', 'vit_mini8_fcos_sfp_128x128_digit_boxes'),
        *('seg_mini8_128x128_digit_scenes', 'vit_mini8_128x128_digit_labels'),
    ],
)
def test_other_hosts_change_in_their_backbone_alone(name):
    dense = load_config(name)
    cfg = mixed(dense)
    assert cfg.model.backbone.pop('gate') and cfg.model.backbone.pop('train_layout') == 'packed'
    for model in (cfg.model, dense.model):
        for key in ('train_layout', 'pretrained'):
            model.backbone.pop(key, None)
    assert cfg.model.to_dict() == dense.model.to_dict()
    assert 'TokenMetric' in kinds(cfg.test_evaluator)


def test_regions_too_small_for_context_get_the_local_gate():
    small = {'model.backbone.arch.patch_size': 2, 'model.backbone.coarse_patch_size': 4}
    assert mixed(load_config('vit_mini4_32x32_cifar10', **small)).model.backbone.gate.type == 'msvit.MLPGate'


def test_the_config_is_written_whole(tmp_path):
    cfg = mixed(load_config('seg_mini8_128x128_digit_scenes'))
    cfg.dump(tmp_path / 'mixed.py')
    assert Config.fromfile(tmp_path / 'mixed.py').to_dict() == cfg.to_dict()


def test_weights_of_the_dense_training_are_forgotten_a_teachers_are_not():
    first = {
        'model.pretrained': 'a.pth',
        'model.backbone.pretrained': 'b.pth',
        'model.teacher': dict(backbone=dict(pretrained='c.pth')),
    }
    cfg = mixed(load_config('vit_mini8_linear_128x128_digit_scenes', **first))
    assert 'pretrained' not in cfg.model and 'pretrained' not in cfg.model.backbone
    assert cfg.model.teacher.backbone.pretrained == 'c.pth'


def test_validation_data_stand_in_for_test_data():
    cfg = load_config('seg_mini8_128x128_digit_scenes')
    for name in ('dataloader', 'evaluator', 'cfg'):
        cfg[f'test_{name}'] = None
    tested = with_test_data(cfg)
    assert tested.test_dataloader == cfg.val_dataloader and tested.test_cfg.type == 'TestLoop'
    cfg.val_dataloader = None
    with pytest.raises(ValueError, match='needs test_dataloader of the config'):
        with_test_data(cfg)


def test_the_training_is_one_of_its_own_length():
    cfg = load_config('vit_mini4_32x32_cifar10')
    cfg.custom_hooks = [dict(type='EMAHook'), dict(type='msvit.GateWarmupHook', epochs=1)]
    cfg.randomness = dict(seed=None)
    cfg.train_dataloader.dataset.pipeline = cfg.train_pipeline[1:]
    cfg = training(cfg, iters=100)
    assert kinds(cfg.custom_hooks) == ['IterationSeedHook', 'TeachGateHook']
    assert (cfg.custom_hooks[-1].fine_share, cfg.custom_hooks[-1].iters) == (0.4, 50)
    assert cfg.train_cfg.to_dict() == dict(type='IterBasedTrainLoop', max_iters=100, val_interval=101)
    assert cfg.val_dataloader is None and cfg.load_from == 'dense.pth' and cfg.randomness.seed == 0
    assert cfg.train_dataloader.sampler.type == 'msvit.ResumableSampler'
    assert kinds(cfg.train_dataloader.dataset.pipeline)[:2] == ['SeedSample', 'LoadImageFromFile']
    assert cfg.default_hooks.checkpoint.interval == 10 and not cfg.default_hooks.checkpoint.by_epoch
    assert cfg.optim_wrapper == load_config('vit_mini4_32x32_cifar10').optim_wrapper


def test_without_labels_files_take_the_place_of_the_data():
    cfg = load_config('vit_mini4_32x32_cifar10', **{'model.train_cfg': dict(augments=dict(type='Mixup'))})
    cfg = without_labels(training(cfg), segments=False, image_list=Path('images.txt'), checkpoint='dense.pth')
    dataset = cfg.train_dataloader.dataset
    assert (dataset.type, dataset.ann_file, dataset.label_map) == ('msvit.UnlabelledImages', 'images.txt', False)
    assert kinds(dataset.pipeline) == ['SeedSample', 'Resize', 'RandomCrop', 'RandomFlip', 'PackInputs']
    assert cfg.model.train_cfg is None
    assert kinds(cfg.custom_hooks)[-2:] == ['TeachGateHook', 'SelfDistillationHook']

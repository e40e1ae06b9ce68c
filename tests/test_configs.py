"""Every config of the project: it builds, trains and infers; twins differ in their tokens alone.

Those of mmdet (by ``default_scope``) build and train in test_det/test_detector_configs.py, where mmdet is there.
"""

import re

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample
from shipped_configs import CONFIGS, ROOT, load_config, variants

ALL = [*CONFIGS, *variants()]
MIXED = [name for name in ALL if name.startswith('ms')]
# The gbas recipe is a control's; what other variants change is in test_config_variants.py.
TWINS = [(re.sub(r'^ms|_c\d+', '', name), name) for name in MIXED if name in CONFIGS and '_gbas' not in name]
# The paper's models at the sizes of its Table 3, and those of section E.
IMAGENET = {
    'vit_ti16': (160, 192, 224),
    'vit_s16': (128, 160, 192, 224, 288, 320, 384),
    'vit_l16': (160, 192, 224),
    'deit_s16': (160, 192, 224),
    'msvit_ti16': (224,),
    'msvit_s16': (224, 384),
    'msvit_l16': (160, 192, 224),
    'msdeit_s16': (224,),
    **dict.fromkeys(('evit_s16', 'dyvit_s16', 'swin_t', 'msswin_t_c16'), (160, 224)),
}
GATE_HOOKS = ('msvit.GateWarmupHook', 'msvit.TeachGateHook')
SIZES = [(f'{model}_224x224_in1k', size) for model, sizes in IMAGENET.items() for size in sizes]


def load(name: str) -> Config:
    cfg = load_config(name)
    init_default_scope(cfg.default_scope)
    return cfg


def build_model(cfg: Config) -> torch.nn.Module:
    """The model without pretrained weights, which ``init_weights`` would fetch."""
    torch.manual_seed(0)
    return MODELS.build(Config(dict(model=_without_weights(cfg.model.to_dict()))).model)


def _without_weights(settings: dict) -> dict:
    """Leave out what would be read from files: ``pretrained``, and the gate of another run, whose kind stays."""
    nested = {key: _without_weights(value) if isinstance(value, dict) else value for key, value in settings.items()}
    if isinstance(nested.get('gate'), str) or 'checkpoint' in (nested.get('gate') or {}):
        nested['gate'] = dict(type='msvit.MLPGate', frozen=True)
    return {key: value for key, value in nested.items() if key != 'pretrained'}


def training_size(cfg: Config) -> tuple[int, int]:
    """(height, width) of a training image."""
    size = cfg.model.data_preprocessor.get('size') or cfg.img_size
    return tuple(size) if isinstance(size, (tuple, list)) else (size, size)


def make_batch(cfg: Config, size: tuple[int, int]) -> dict:
    """Two noise images with random labels."""
    meta = dict(img_shape=size, ori_shape=size)
    if cfg.default_scope == 'mmseg':
        labels = torch.randint(cfg.model.decode_head.num_classes, (2, 1, *size))
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=meta) for label in labels]
    else:
        labels = [[1, 2], [3]] if 'MultiLabel' in cfg.model.head.type else [1, 3]
        samples = [DataSample(metainfo=meta).set_gt_label(label) for label in labels]
    return dict(inputs=[torch.randint(256, (3, *size), dtype=torch.uint8) for _ in range(2)], data_samples=samples)


@pytest.mark.parametrize('name', CONFIGS)
def test_names_its_command(name):
    path = CONFIGS[name]
    assert re.search(rf'python tools/(train|test)\.py {path.relative_to(ROOT).as_posix()}\b', path.read_text())


@pytest.mark.parametrize('name', ALL)
def test_takes_a_training_step_and_infers(name, shorten):
    cfg = load(name)
    if cfg.default_scope == 'mmdet':
        pytest.skip('a detector: tests/test_det/test_detector_configs.py builds it (make test-det)')
    if re.search('upernet|fcn|setr|linear', name):  # heads of mmseg's, larger than any backbone here
        cfg.model.data_preprocessor.size = cfg.model.backbone.img_size = (96, 128)
    elif '512x512' in name:  # of which a quarter tells as much; test_ade20k_samples_reach_a_score has the whole
        cfg.model.data_preprocessor.size = cfg.model.backbone.img_size = (256, 256)
        if 'gate_loss' in cfg.model.backbone:
            cfg.model.backbone.gate_loss.grid = (8, 8)
    model = build_model(cfg).train()
    model.init_weights()
    shorten(model.backbone)
    optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
    taken = {id(parameter) for group in optimiser.optimizer.param_groups for parameter in group['params']}
    assert taken >= {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    size = training_size(cfg)
    batch = make_batch(cfg, size)
    data = model.data_preprocessor(batch, training=True)
    losses = {**model.loss(**data), **model.backbone.pop_gate_losses()}
    optimiser.backward(sum(value for key, value in losses.items() if 'loss' in key))
    without = [key for key, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert not without, f'no gradient reaches {without}'
    if 'gate_loss' in cfg.model.backbone:
        assert {'fine_share', 'tokens'} <= set(losses) and any(key.startswith('loss_gate') for key in losses)
        if cfg.default_scope == 'mmseg':  # a classifier starts from zeros, which let no gradient through
            assert model.backbone.gate.mlp[0].weight.grad.abs().sum() > 0

    optimiser.step()

    model.eval().keep_logits = True
    prediction = model.test_step(dict(inputs=batch['inputs'][:1], data_samples=batch['data_samples'][:1]))[0]
    if cfg.default_scope == 'mmseg':
        assert prediction.pred_sem_seg.data.shape == (1, *size)
        assert prediction.seg_logits.data.isfinite().all()
    else:
        assert prediction.pred_score.shape == (cfg.model.head.num_classes,)
        if 'MultiLabel' in cfg.model.head.type:
            assert ((prediction.pred_score > 0) & (prediction.pred_score < 1)).all()
        else:
            assert prediction.pred_score.sum().item() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize('dense, mixed', TWINS)
def test_twins_differ_in_their_tokens_alone(dense, mixed):
    folder = f'work_dirs/{dense}'
    dense, mixed = (load(name).to_dict() for name in (dense, mixed))
    # both begin alike, or the mixed one where the dense one ends
    last = f'{folder}/iter_{dense["train_cfg"].get("max_iters")}.pth'
    assert mixed.pop('load_from') in (dense.pop('load_from'), last)
    for part in ('gate', 'gate_loss', 'gate_warmup', 'teach_gate'):
        mixed.pop(part, None)
        mixed['model']['backbone'].pop(part, None)
    if mixed['model']['backbone']['type'] == 'msvit.MSSwin':  # the stage where coarse regions enter
        dense['model']['backbone'].pop('coarse_patch_size')
        mixed['model']['backbone'].pop('coarse_patch_size')
    if (mixed['model'].get('neck') or {}).get('type') == 'msvit.UnfoldTokens':  # how tokens come back to the grid
        mixed['model'].pop('neck')
        assert mixed['model']['backbone'].pop('out_type') == 'tokens'
        assert dense['model']['backbone'].pop('out_type', 'featmap') == 'featmap'
    mixed['custom_hooks'] = [hook for hook in mixed['custom_hooks'] if hook['type'] not in GATE_HOOKS]
    for cfg in (dense, mixed):
        cfg['model']['backbone'].pop('train_layout', None)  # how a batch lies in memory
    assert mixed == dense


@pytest.mark.parametrize('name, size', SIZES)
def test_imagenet_configs_show_images_of_their_size(name, size, monkeypatch):
    if size != 224:  # which is the size without a word
        monkeypatch.setenv('MSVIT_IMG_SIZE', str(size))
    cfg = load(name)
    assert cfg.model.backbone.img_size == size
    assert cfg.train_dataloader.dataset.pipeline[2].scale == size
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        resize, crop = loader.dataset.pipeline[1:3]
        assert (resize.scale, crop.crop_size) == (round(size / 0.875), size)
    interpolation = 'bilinear' if re.match('(ms)?vit', name) else 'bicubic'
    assert {cfg.train_dataloader.dataset.pipeline[2].interpolation, resize.interpolation} == {interpolation}


def test_no_imagenet_config_is_forgotten():
    assert {name for name, _ in SIZES} == {name for name in CONFIGS if name.endswith('_in1k')}


@pytest.mark.parametrize('name', [name for name in MIXED if name.endswith('_in1k')])
def test_imagenet_recipes_are_those_of_section_c(name):
    cfg = load(name)
    deit = not name.startswith('msvit')
    expected = (
        dict(type='AdamW', lr=2e-5, weight_decay=1e-8) if deit else dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=0)
    )
    assert cfg.optim_wrapper.optimizer.to_dict() == expected
    assert cfg.optim_wrapper.clip_grad == (None if deit else dict(max_norm=1.0))
    assert cfg.train_dataloader.batch_size == 512
    assert cfg.train_cfg.max_epochs == 20
    assert [(scheduler.type, scheduler.begin, scheduler.end) for scheduler in cfg.param_scheduler] == [
        ('LinearLR', 0, 0.5),
        ('CosineAnnealingLR', 0.5, 20),
    ]
    assert cfg.model.head.loss.type == ('LabelSmoothLoss' if deit else 'CrossEntropyLoss')


@pytest.mark.parametrize('name', [name for name in MIXED if name.endswith('_in1k')])
def test_imagenet_gates_are_those_of_section_c_or_come_from_such_a_run(name):
    cfg = load(name)
    backbone = cfg.model.backbone
    if 'gate_loss' not in backbone:
        assert backbone.gate.type == 'msvit.TrainedGate' and backbone.gate.get('frozen', True)
        return
    assert dict(type='msvit.GateWarmupHook', epochs=6) in cfg.custom_hooks
    loss = backbone.gate_loss
    assert (loss.temperature, loss.hyperprior_variance, backbone.gate.temperature) == (0.3, 0.1, 0.3)


def test_ade20k_samples_reach_a_score(real_data, tmp_path):
    """The three ADE20K pairs go through the test pipeline, sliding inference and both metrics."""
    cfg = load('msseg_s16_512x512_ade20k')
    cfg.model.backbone.pretrained = None
    cfg.work_dir = str(tmp_path)
    cfg.test_dataloader.num_workers = 0
    cfg.test_dataloader.dataset.data_root = str(real_data / 'ade20k_sample')
    assert len(DATASETS.build(cfg.test_dataloader.dataset)) == 3
    figures = Runner.from_cfg(cfg).test()
    assert 0 <= figures['mIoU'] <= 100
    assert figures['tokens/inputs_per_image'] >= 1 and 256 <= figures['tokens/count_mean'] <= 1024

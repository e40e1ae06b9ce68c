"""Every config of the project: it builds, trains and infers; twins differ in their tokens alone."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

ROOT = Path(__file__).parent.parent / 'configs'
CONFIGS = sorted(path.name for path in ROOT.glob('*.py'))
MIXED = [name for name in CONFIGS if name.startswith('msseg_')]
TWINS = [(name.replace('msseg_', 'seg_').replace('_g25', '').replace('_g10', ''), name) for name in MIXED]


def load(name: str) -> Config:
    cfg = Config.fromfile(ROOT / name)
    init_default_scope(cfg.default_scope)
    return cfg


def build_model(cfg: Config) -> torch.nn.Module:
    torch.manual_seed(0)
    model = MODELS.build({**cfg.model, 'backbone': {**cfg.model.backbone, 'pretrained': None}})
    model.init_weights()
    return model


def make_batch(model: torch.nn.Module, size: tuple[int, int]) -> dict:
    """Two noise images of a training crop's size with random labels."""
    labels = torch.randint(model.num_classes, (2, 1, *size))
    meta = dict(img_shape=size, ori_shape=size)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=meta) for label in labels]
    return dict(inputs=[torch.randint(256, (3, *size), dtype=torch.uint8) for _ in range(2)], data_samples=samples)


@pytest.mark.parametrize('name', CONFIGS)
def test_names_its_command(name):
    assert f'python tools/train.py configs/{name}' in (ROOT / name).read_text()


@pytest.mark.parametrize('name', CONFIGS)
def test_takes_a_training_step_and_infers(name):
    cfg = load(name)
    model = build_model(cfg).train()
    size = tuple(cfg.model.data_preprocessor.size)
    batch = make_batch(model, size)
    data = model.data_preprocessor(batch, training=True)
    losses = {**model.loss(**data), **model.backbone.pop_gate_losses()}
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    without = [key for key, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert not without, f'no gradient reaches {without}'
    if name in MIXED:
        assert {'loss_gate_prior', 'loss_gate_hyperprior', 'fine_share', 'tokens'} <= set(losses)
        assert model.backbone.gate.mlp[0].weight.grad.abs().sum() > 0

    model.eval().keep_logits = True
    prediction = model.test_step(dict(inputs=batch['inputs'][:1], data_samples=batch['data_samples'][:1]))[0]
    assert prediction.pred_sem_seg.data.shape == (1, *size)
    assert prediction.seg_logits.data.isfinite().all()


@pytest.mark.parametrize('dense, mixed', TWINS)
def test_twins_differ_in_their_tokens_alone(dense, mixed):
    dense, mixed = (load(name) for name in (dense, mixed))
    del mixed.model.backbone.gate, mixed.model.backbone.gate_loss
    mixed.model.backbone.train_layout = dense.model.backbone.train_layout  # how a batch lies in memory
    assert mixed.to_dict() == dense.to_dict()


@pytest.mark.parametrize('name', CONFIGS)
def test_optimiser_takes_every_parameter(name, tmp_path):
    cfg = load(name)
    model = build_model(cfg)
    runner = Runner(model, str(tmp_path), default_scope='mmseg', experiment_name=tmp_path.name)
    optimiser = runner.build_optim_wrapper(cfg.optim_wrapper).optimizer
    assert sum(len(group['params']) for group in optimiser.param_groups) == len(list(model.parameters()))


def test_ade20k_samples_reach_a_score(real_data, tmp_path):
    """The three ADE20K pairs go through the test pipeline, sliding inference and both metrics."""
    cfg = load('msseg_s16_512x512_ade20k.py')
    cfg.model.backbone.pretrained = None
    cfg.work_dir = str(tmp_path)
    cfg.test_dataloader.num_workers = 0
    cfg.test_dataloader.dataset.data_root = str(real_data / 'ade20k_sample')
    assert len(DATASETS.build(cfg.test_dataloader.dataset)) == 3
    figures = Runner.from_cfg(cfg).test()
    assert 0 <= figures['mIoU'] <= 100
    assert figures['tokens/inputs_per_image'] >= 1 and 256 <= figures['tokens/count_mean'] <= 1024

"""Every config for detectors: it builds, trains and infers, on images of several sizes; twins see test_configs.py."""

import pytest
import torch

pytest.importorskip('mmdet.models', reason="needs mmdet and mmcv's operators: make test-det")

import shipped_configs
from mmdet.testing import demo_mm_inputs
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from shipped_configs import load_config

CONFIGS = {name: cfg for name in shipped_configs.CONFIGS if (cfg := load_config(name)).default_scope == 'mmdet'}
SIZES = [(96, 128), (128, 64)]


def build_model(name: str, **backbone) -> torch.nn.Module:
    """The model without pretrained weights."""
    cfg = CONFIGS[name].copy()
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build({**cfg.model, 'backbone': {**cfg.model.backbone, 'pretrained': None, **backbone}})
    model.init_weights()
    return model


def make_batch(sizes: list[tuple[int, int]]) -> dict:
    """Noise images with random boxes and masks of labels below 10."""
    shapes = [(3, *size) for size in sizes]
    return demo_mm_inputs(len(sizes), shapes, num_items=[3] * len(sizes), num_classes=10, with_mask=True)


def test_there_are_such_configs():
    assert len(CONFIGS) >= 8


@pytest.mark.parametrize('name', CONFIGS)
def test_takes_a_training_step_and_infers(name, shorten):
    cfg = CONFIGS[name]
    model = build_model(name).train()
    shorten(model.backbone)
    optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
    taken = {id(parameter) for group in optimiser.optimizer.param_groups for parameter in group['params']}
    assert taken >= {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    # priors for each region want images of one size, and it is not the test's; those of COCO are of many
    sizes = SIZES if name.endswith('_coco') else [(128, 128)] * 2
    data = model.data_preprocessor(make_batch(sizes), training=True)
    losses = {**model(**data, mode='loss'), **model.backbone.pop_gate_losses()}
    total, _ = model.parse_losses(losses)
    optimiser.backward(total)
    assert total.isfinite()
    without = [key for key, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert not without, f'no gradient reaches {without}'
    if 'gate_loss' in cfg.model.backbone:
        assert {'fine_share', 'tokens', 'loss_gate_prior'} <= set(losses)
        assert model.backbone.gate.mlp[0].weight.grad.abs().sum() > 0
    optimiser.step()

    for sample, size in zip(model.eval().test_step(make_batch(SIZES)), SIZES, strict=True):
        found = sample.pred_instances
        assert found.bboxes.shape == (len(found.scores), 4) and found.scores.isfinite().all()
        if 'Mask' in cfg.model.type:
            assert found.masks.shape == (len(found.scores), *size)


@pytest.mark.parametrize('name', [name for name in CONFIGS if name.startswith('ms')])
def test_all_fine_the_twins_are_one(name, shorten):
    """The same weights give the same pyramid."""
    mixed = build_model(name).eval()
    dense = build_model(name, gate=None, gate_loss=None).eval()
    shorten(mixed.backbone)
    shorten(dense.backbone)
    missing, unexpected = dense.load_state_dict(mixed.state_dict(), strict=False)
    assert not missing and all('.gate' in key for key in unexpected)
    mixed.backbone.gate.threshold = 0.0
    inputs = torch.randn(1, 3, 96, 160)
    with torch.no_grad():
        for one, other in zip(mixed.extract_feat(inputs), dense.extract_feat(inputs), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)

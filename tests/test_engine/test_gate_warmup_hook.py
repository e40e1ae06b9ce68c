"""The gate's own warm-up: its rate is the schedule's times a ramp, everything else is left alone."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch.utils.data import Dataset

from msvit.engine import GateWarmupHook

ITERATIONS, BATCHES = 12, 4
BACKBONE = dict(
    type='msvit.MSViT',
    arch=dict(embed_dim=16, depth=1, num_heads=1, patch_size=8),
    img_size=32,
    coarse_patch_size=16,
    gate=dict(type='msvit.MLPGate', hidden_dims=(4,)),
    gate_loss=dict(type='msvit.GBaSLoss'),
    out_type='cls_token',
)
SCHEDULES = {
    'cosine': [
        dict(type='LinearLR', start_factor=0.1, begin=0, end=3, by_epoch=False),
        dict(type='CosineAnnealingLR', eta_min=0.0, begin=3, end=ITERATIONS, by_epoch=False),
    ],
    # not a product of factors: a ramp within the schedule would shift it for good
    'poly with a floor': [dict(type='PolyLR', eta_min=0.05, power=0.9, begin=0, end=ITERATIONS, by_epoch=False)],
    'none': None,
}
OWN_GROUPS = dict(custom_keys={'gate': dict(lr_mult=1.0)})


class Noise(Dataset):
    metainfo = dict(classes=('a', 'b'))

    def __len__(self):
        return BATCHES * 2

    def __getitem__(self, index):
        return dict(inputs=torch.randn(3, 32, 32), data_samples=DataSample().set_gt_label(index % 2))


class Rates(Hook):
    """Keeps the learning rate of every parameter at each step of the optimiser."""

    def __init__(self):
        self.of = []

    def before_train(self, runner):
        optimizer, step = runner.optim_wrapper.optimizer, runner.optim_wrapper.optimizer.step
        names = {id(parameter): name for name, parameter in runner.model.named_parameters()}

        def spied(*args, **kwargs):
            self.of.append({names[id(p)]: group['lr'] for group in optimizer.param_groups for p in group['params']})
            return step(*args, **kwargs)

        optimizer.step = spied


def train(work_dir, hooks, schedule='cosine', paramwise=OWN_GROUPS, iterations=ITERATIONS, resume=False, **backbone):
    rates = Rates()
    runner = Runner(
        model=dict(
            type='ImageClassifier',
            backbone={**BACKBONE, **backbone},
            head=dict(type='LinearClsHead', num_classes=2, in_channels=16),
        ),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=2,
            num_workers=0,
            dataset=Noise(),
            sampler=dict(type='InfiniteSampler'),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.5), paramwise_cfg=paramwise),
        param_scheduler=SCHEDULES[schedule],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=5)),
        custom_hooks=[dict(type='msvit.GateLossHook'), *hooks, rates],
        default_scope='mmpretrain',
        randomness=dict(seed=0),
        resume=resume,
        log_level='ERROR',
        experiment_name=f'{work_dir.name}-{iterations}',
    )
    runner.train()
    return rates.of


@pytest.mark.parametrize('schedule', SCHEDULES)
@pytest.mark.parametrize('length', [dict(iters=6), dict(epochs=1.5)])
def test_the_rate_is_the_schedules_times_the_ramp(tmp_path, schedule, length):
    plain = train(tmp_path / 'plain', [], schedule)
    warmed = train(tmp_path / 'warmed', [dict(type='msvit.GateWarmupHook', **length)], schedule)
    assert len(plain) == len(warmed) == ITERATIONS
    for step, (without, rates) in enumerate(zip(plain, warmed, strict=True)):
        for name, rate in rates.items():
            ramp = min(1, (step + 1) / 6) if name.startswith(('backbone.gate.', 'backbone.gate_loss.')) else 1
            assert rate == pytest.approx(without[name] * ramp, rel=1e-9), (step, name)


def test_a_resumed_run_goes_on_with_the_ramp(tmp_path, safe_loading):
    hook = dict(type='msvit.GateWarmupHook', iters=8)
    whole = train(tmp_path / 'whole', [hook])
    train(tmp_path / 'parts', [hook], iterations=5)
    rest = train(tmp_path / 'parts', [hook], resume=True)
    for ours, theirs in zip(rest, whole[5:], strict=True):
        assert ours == pytest.approx(theirs)


def test_a_frozen_gate_has_nothing_to_warm_up(tmp_path):
    for backbone in (dict(gate=None, gate_loss=None), dict(gate=dict(type='msvit.RadialGate'), gate_loss=None)):
        with pytest.raises(ValueError, match='GateWarmupHook finds no gate to train'):
            train(tmp_path, [dict(type='msvit.GateWarmupHook', iters=2)], **backbone)


def test_a_shared_group_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"shares a parameter group.*paramwise_cfg=dict\(custom_keys=\{'gate'"):
        train(tmp_path, [dict(type='msvit.GateWarmupHook', iters=2)], paramwise=None)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({}, 'either in epochs or in iters'),
        (dict(epochs=1, iters=1), 'either in epochs or in iters'),
        (dict(epochs=0), 'epochs must be positive, got 0'),
        (dict(iters=-3), 'iters must be an int of at least 1, got -3'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GateWarmupHook(**arguments)

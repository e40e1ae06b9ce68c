"""The gate's loss in real runners: it reaches the log and the optimiser of any host."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample
from torch.utils.data import Dataset

from msvit.losses import TeachingLoss
from msvit.teachers import GateTeacher

SIDE = 32
TERMS = {'loss_gate_prior', 'loss_gate_hyperprior', 'fine_share', 'tokens'}
BACKBONE = dict(
    type='msvit.MSViT',
    arch=dict(embed_dim=16, depth=1, num_heads=1, patch_size=8),
    img_size=SIDE,
    coarse_patch_size=16,
    gate=dict(type='msvit.MLPGate', hidden_dims=(4,), init_p_fine=0.5),
    gate_loss=dict(type='msvit.GBaSLoss', grid=(2, 2), target=0.3, weight=3.0),
)
SEGMENTER = dict(
    type='mmseg.EncoderDecoder',
    data_preprocessor=dict(type='mmseg.SegDataPreProcessor', size=(SIDE, SIDE)),
    backbone=dict(BACKBONE, out_type='tokens'),
    decode_head=dict(
        type='msvit.MixedScaleSegmenterHead',
        **dict(in_channels=16, channels=16, num_classes=3, num_layers=1, num_heads=1, embed_dims=16, dropout_ratio=0.0),
    ),
    test_cfg=dict(mode='whole'),
)
CLASSIFIER = dict(
    type='mmpretrain.ImageClassifier',
    data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', mean=[0.0] * 3, std=[1.0] * 3, num_classes=3),
    backbone=dict(BACKBONE, out_type='cls_token'),
    head=dict(type='mmpretrain.LinearClsHead', num_classes=3, in_channels=16),
)
HOSTS = {'EncoderDecoder': SEGMENTER, 'ImageClassifier': CLASSIFIER}
hosts = pytest.mark.parametrize('host', HOSTS)


class TinySet(Dataset):
    """Eight random images with what the host wants to know of them."""

    def __init__(self, host: str):
        self.host = host

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(index)
        image = torch.randn(3, SIDE, SIDE, generator=generator)
        if self.host == 'ImageClassifier':
            return dict(inputs=image, data_samples=DataSample().set_gt_label(index % 3))
        truth = torch.randint(0, 3, (1, SIDE, SIDE), generator=generator)
        meta = dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE))
        return dict(inputs=image, data_samples=SegDataSample(gt_sem_seg=PixelData(data=truth), metainfo=meta))


class Spy(Hook):
    """Keeps the log values and the gradients of every step."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.logs, self.gradients = [], []

    def before_train(self, runner):
        optimizer, step = runner.optim_wrapper.optimizer, runner.optim_wrapper.optimizer.step

        def spied(*args, **kwargs):
            names = {id(parameter): name for name, parameter in runner.model.named_parameters()}
            parameters = [parameter for group in optimizer.param_groups for parameter in group['params']]
            grads = {names[id(p)]: None if p.grad is None else p.grad.clone() for p in parameters}
            self.gradients.append(grads)
            return step(*args, **kwargs)

        optimizer.step = spied

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.logs.append({name: float(value.detach()) for name, value in outputs.items()})


def build_runner(
    host: str, work_dir, hooks: list, batch_size: int = 4, iterations: int = 3, accumulative_counts: int = 1, gate_loss=None
):
    torch.manual_seed(0)
    model = ConfigDict(HOSTS[host])
    if gate_loss:
        model.backbone.gate_loss = gate_loss
    return Runner(
        model=MODELS.build(model),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=batch_size,
            num_workers=0,
            dataset=TinySet(host),
            sampler=dict(type='InfiniteSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=iterations),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01), accumulative_counts=accumulative_counts),
        default_hooks=dict(checkpoint=None, logger=dict(type='LoggerHook', interval=1)),
        custom_hooks=hooks,
        default_scope=HOSTS[host]['type'].split('.')[0],
        randomness=dict(seed=0),
        log_level='ERROR',
        experiment_name=str(work_dir.name),
    )


@hosts
def test_the_gates_loss_reaches_log_and_optimiser(host, tmp_path):
    spy = Spy()
    runner = build_runner(host, tmp_path, [dict(type='msvit.GateLossHook'), spy])
    runner.train()
    assert len(spy.logs) == len(spy.gradients) == 3
    for log in spy.logs:
        assert set(log) >= TERMS
        if host == 'EncoderDecoder':  # a classifier's own term is called loss and hides the sum
            parts = [value for name, value in log.items() if 'loss' in name and name != 'loss']
            assert log['loss'] == pytest.approx(sum(parts), rel=1e-5)
        assert log['loss_gate_prior'] > 0
        assert log['tokens'] == pytest.approx(4 + 12 * log['fine_share'])
    for gradients in spy.gradients:
        assert all(gradient is not None for gradient in gradients.values())
        assert (gradients['backbone.gate_loss.prior_logit'] != 0).any()
        assert all(gradient.abs().sum() > 0 for name, gradient in gradients.items() if '.gate.' in name)
    assert runner.message_hub.get_scalar('train/loss_gate_prior').current() == pytest.approx(spy.logs[-1]['loss_gate_prior'])


@hosts
def test_training_twice_counts_the_loss_once(host, tmp_path):
    logs = []
    for folder in ('one', 'two'):
        spy = Spy()
        hooks = [dict(type='msvit.GateLossHook'), spy]
        if folder == 'two':
            hooks.append(dict(type='msvit.GateLossHook'))
        build_runner(host, tmp_path / folder, hooks, iterations=1).train()
        logs.append(spy.logs)
    assert logs[0] == logs[1]


@hosts
def test_accumulated_steps_share_the_gates_gradient(host, tmp_path):
    """The gradient of an accumulated step is the mean over its batches."""
    hook = dict(type='msvit.GateLossHook')
    single, accumulated = Spy(), Spy()
    build_runner(host, tmp_path / 'accumulated', [hook, accumulated], iterations=2, accumulative_counts=2).train()
    runner = build_runner(host, tmp_path / 'single', [hook, single], iterations=2)
    runner.optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.0))
    runner.train()
    assert len(accumulated.gradients) == 1
    assert len(single.gradients) == 2
    for name, gradient in accumulated.gradients[0].items():
        mean = (single.gradients[0][name] + single.gradients[1][name]) / 2
        torch.testing.assert_close(gradient, mean, atol=1e-6, rtol=1e-4, msg=lambda text, name=name: f'{name}: {text}')
    assert single.gradients[0]['backbone.gate_loss.prior_logit'].abs().sum() > 0


@hosts
def test_without_the_hook_training_stops_aloud(host, tmp_path):
    with pytest.raises(RuntimeError, match=r"nobody collected.*custom_hooks=\[dict\(type='msvit.GateLossHook'\)\]"):
        build_runner(host, tmp_path, []).train()


class QuadrantTeacher(GateTeacher):
    """The first region is to be fine, the second coarse, and nothing is known of the others; counts its lessons."""

    def __init__(self):
        self.asked = []

    def targets(self, model, data, coarse_patch_size):
        self.asked.append((type(model).__name__, len(data['data_samples']), coarse_patch_size))
        return torch.tensor([[1.0, 0.0], [torch.nan, torch.nan]]).expand(len(data['inputs']), 2, 2)


@hosts
def test_a_taught_gate_learns_beside_any_host(host, tmp_path):
    teacher, spy = QuadrantTeacher(), Spy()
    losses = [TeachingLoss(teacher, weight=2.0), dict(type='msvit.GBaSLoss', target=0.5)]
    runner = build_runner(host, tmp_path, [dict(type='msvit.GateLossHook'), spy], gate_loss=losses)
    runner.train()
    assert teacher.asked == [(host, 4, 16)] * 3
    for log, gradients in zip(spy.logs, spy.gradients, strict=True):
        assert set(log) >= TERMS | {'loss_gate_teaching'} and log['loss_gate_teaching'] > 0
        assert all(gradient.abs().sum() > 0 for name, gradient in gradients.items() if '.gate.' in name)
    runner.model.data_preprocessor(next(iter(runner.train_dataloader)), False)
    assert len(teacher.asked) == 3  # nothing is taught at test


def test_lessons_are_accumulated_with_the_hosts_losses(tmp_path):
    hook, gradients = dict(type='msvit.GateLossHook'), {}
    for count in (1, 2):
        spy = Spy()
        loss = TeachingLoss(QuadrantTeacher())
        runner = build_runner('ImageClassifier', tmp_path / str(count), [hook, spy], 4, 2, count, loss)
        if count == 1:
            runner.optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.0))
        runner.train()
        gradients[count] = [step['backbone.gate.mlp.2.bias'] for step in spy.gradients]
    torch.testing.assert_close(gradients[2][0], sum(gradients[1]) / 2, atol=1e-6, rtol=1e-4)


def test_labels_teach_a_segmentors_gate_in_bfloat16(tmp_path):
    spy = Spy()
    loss = dict(type='msvit.TeachingLoss', teacher=dict(type='msvit.LabelTeacher'))
    runner = build_runner('EncoderDecoder', tmp_path, [dict(type='msvit.GateLossHook'), spy], gate_loss=loss)
    runner.optim_wrapper = dict(type='msvit.CPUAutocastOptimWrapper', optimizer=dict(type='SGD', lr=0.01))
    runner.train()
    assert all(log['loss_gate_teaching'] > 0 for log in spy.logs)


def test_without_the_hook_nobody_teaches(tmp_path):
    with pytest.raises(RuntimeError, match="nobody brought the gate's lesson"):
        build_runner('EncoderDecoder', tmp_path, [], gate_loss=TeachingLoss(QuadrantTeacher())).train()


def test_a_model_without_a_gate_is_left_as_it_is(tmp_path):
    spy = Spy()
    runner = build_runner('ImageClassifier', tmp_path, [dict(type='msvit.GateLossHook'), spy], iterations=1)
    runner.model.backbone = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 16))
    runner.model.backbone.forward = lambda x, run=runner.model.backbone.forward: (run(x),)
    runner.train()
    assert not TERMS & set(spy.logs[0])
    assert 'parse_losses' not in vars(runner.model)

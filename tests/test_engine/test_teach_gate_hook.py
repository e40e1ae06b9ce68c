"""A gate taught first and alone within a run: the run begins dense and goes on with what the gate chooses."""

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.utils.data import Dataset

from msvit.engine import TeachGateHook
from msvit.engine.teach_gate_hook import _KEPT_LESSONS, _reused
from msvit.gates import LearnedGate
from msvit.teachers import DenseTeacher, LabelTeacher

SIDE, REGION = 64, 16
GATE = dict(type='msvit.ContextGate', width=8, depth=0, frozen=True)
TAUGHT = dict(type='msvit.TeachGateHook', teacher=dict(type='msvit.LabelTeacher'), fine_share=0.25, begin=2, iters=60, lr=0.02)


def mixed_regions(index: int) -> Tensor:
    """(4, 4) bool: four regions of the image mix classes."""
    order = torch.randperm(16, generator=torch.Generator().manual_seed(index))
    return (order < 4).view(4, 4)


@DATASETS.register_module(force=True)
class MixedRegionsForTest(Dataset):
    """Eight images, bright where the label map changes with every pixel; ``pure``: it changes nowhere."""

    metainfo = dict(classes=('a', 'b'))

    def __init__(self, pure: bool = False):
        self.pure = pure

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict:
        mixed = mixed_regions(index).repeat_interleave(REGION, 0).repeat_interleave(REGION, 1)
        image = 2.0 * mixed + torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(index))
        labels = (mixed & (torch.arange(SIDE) % 2 == 0) & (not self.pure)).long()
        meta = dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE))
        return dict(inputs=image, data_samples=SegDataSample(gt_sem_seg=PixelData(data=labels[None]), metainfo=meta))


class Spy(Hook):
    """Keeps the share of fine regions and the gate's state after each step."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.shares, self.states = {}, {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        gate = runner.model.backbone.gate
        self.states[runner.iter] = {name: value.clone() for name, value in gate.state_dict().items()}
        images = torch.stack([runner.train_dataloader.dataset[i]['inputs'] for i in range(8)])
        with torch.no_grad():
            self.shares[runner.iter] = gate(images).fine_mask.float().mean().item()


def train(work_dir, iterations=4, teach=TAUGHT, gate=GATE, pure=False, resume=False, epochs=None) -> Spy:
    spy = Spy()
    loop = dict(type='IterBasedTrainLoop', max_iters=iterations)
    if epochs:
        loop = dict(type='EpochBasedTrainLoop', max_epochs=epochs)
    spy.runner = Runner.from_cfg(
        dict(
            model=dict(
                type='mmseg.EncoderDecoder',
                data_preprocessor=dict(type='mmseg.SegDataPreProcessor', size=(SIDE, SIDE)),
                backbone=dict(
                    type='msvit.MSViT',
                    arch=dict(embed_dim=16, depth=1, num_heads=1, patch_size=8),
                    **dict(img_size=SIDE, coarse_patch_size=REGION, gate=gate, out_type='tokens'),
                ),
                decode_head=dict(
                    type='msvit.MixedScaleSegmenterHead',
                    **dict(in_channels=16, channels=16, num_classes=2, num_layers=1, num_heads=1, embed_dims=16),
                    dropout_ratio=0.0,
                ),
                test_cfg=dict(mode='whole'),
            ),
            work_dir=str(work_dir),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                dataset=dict(type='MixedRegionsForTest', pure=pure),
                sampler=dict(type='DefaultSampler' if epochs else 'InfiniteSampler', shuffle=False),
                collate_fn=dict(type='pseudo_collate'),
            ),
            train_cfg=loop,
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01)),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)),
            custom_hooks=[dict(type='msvit.IterationSeedHook'), teach],
            default_scope='mmseg',
            randomness=dict(seed=0),
            resume=resume,
            log_level='ERROR',
            experiment_name=f'{work_dir.name}-{iterations}-{resume}',
        )
    )
    spy.runner.register_hook(spy)
    spy.runner.train()
    return spy


def test_the_run_begins_dense_and_goes_on_with_the_wanted_share(tmp_path):
    spy = train(tmp_path)
    assert [spy.shares[i] for i in (0, 1)] == [1, 1]
    assert [spy.shares[i] for i in (2, 3)] == pytest.approx([0.25, 0.25], abs=0.05)
    gate: LearnedGate = spy.runner.model.backbone.gate
    images = torch.stack([MixedRegionsForTest()[i]['inputs'] for i in range(8)])
    wanted = torch.stack([mixed_regions(i) for i in range(8)])
    assert (gate(images).fine_mask == wanted).float().mean() > 0.9


def test_the_gate_is_frozen_but_while_it_is_taught(tmp_path):
    spy = train(tmp_path)
    for before, after, same in ((0, 1, True), (1, 2, False), (2, 3, True)):
        equal = [torch.equal(spy.states[before][name], value) for name, value in spy.states[after].items()]
        assert all(equal) if same else not all(equal)
    gate = spy.runner.model.backbone.gate
    assert gate.frozen and not gate.training
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in gate.parameters())


def test_the_runs_optimiser_does_not_touch_what_was_taught(tmp_path, monkeypatch):
    taught = {}
    teach = TeachGateHook._teach

    def spied(self, gate, runner):
        teach(self, gate, runner)
        taught.update({name: value.clone() for name, value in gate.state_dict().items()})

    monkeypatch.setattr(TeachGateHook, '_teach', spied)
    spy = train(tmp_path)
    for name, value in spy.states[2].items():
        assert torch.equal(value, taught[name]), name


@pytest.mark.parametrize('at', [1, 2, 3], ids=['before it is taught', 'as it is to be taught', 'after it was taught'])
def test_a_resumed_run_repeats_and_teaches_once(tmp_path, safe_loading, monkeypatch, at):
    times, teach = [], TeachGateHook._teach
    monkeypatch.setattr(TeachGateHook, '_teach', lambda *args: (times.append(1), teach(*args)))
    whole = train(tmp_path / 'whole', iterations=5)
    train(tmp_path / 'parts', iterations=at)
    rest = train(tmp_path / 'parts', iterations=5, resume=True)
    assert len(times) == 2
    for name, value in rest.states[4].items():
        assert torch.equal(value, whole.states[4][name]), name


def test_the_start_may_be_an_epoch(tmp_path):
    spy = train(tmp_path, teach=dict(TAUGHT, begin=1, by_epoch=True), epochs=2)  # of two iterations
    assert [spy.shares[i] for i in range(4)] == pytest.approx([1, 1, 0.25, 0.25], abs=0.05)


def test_an_image_may_have_a_part_that_nobody_labelled(tmp_path, monkeypatch):
    targets = LabelTeacher.targets

    def partly(self, *args):
        known = targets(self, *args)
        known[:, 0] = torch.nan
        return known

    monkeypatch.setattr(LabelTeacher, 'targets', partly)
    assert train(tmp_path).shares[3] == pytest.approx(0.25, abs=0.05)


def test_regions_that_are_all_pure_are_an_error(tmp_path):
    with pytest.raises(ValueError, match='LabelTeacher finds all regions of the training images alike'):
        train(tmp_path, pure=True)


def test_nothing_known_of_any_region_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(LabelTeacher, 'targets', lambda self, model, data, size: torch.full((4, 4, 4), torch.nan))
    with pytest.raises(ValueError, match='LabelTeacher finds all regions of the training images alike'):
        train(tmp_path)


@pytest.mark.parametrize('gate', [None, dict(type='msvit.RadialGate')], ids=['no gate', 'a fixed gate'])
def test_a_run_without_a_learned_gate_is_an_error(tmp_path, gate):
    with pytest.raises(ValueError, match=r"finds no gate to teach.*'msvit.ContextGate', frozen=True"):
        train(tmp_path, gate=gate)


def test_a_gate_that_trains_beside_the_model_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='give it frozen=True'):
        train(tmp_path, gate=dict(GATE, frozen=False))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(fine_share=0.0), r'fine_share must lie in \(0, 1\), got 0.0'),
        (dict(fine_share=1.0), r'fine_share must lie in \(0, 1\), got 1.0'),
        (dict(begin=-1), 'begin must be an int of at least 0, got -1'),
        (dict(iters=0), 'iters must be an int of at least 1, got 0'),
        (dict(reuse=0), 'reuse must be an int of at least 1, got 0'),
        (dict(lr=0.0), 'lr must be positive, got 0.0'),
        (dict(teacher=dict(type='msvit.NoTeacher')), r'msvit has .*msvit\.LabelTeacher'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TeachGateHook(**{'teacher': LabelTeacher(), 'fine_share': 0.5, **arguments})


@pytest.mark.parametrize('teacher', [LabelTeacher(), DenseTeacher()])
def test_the_teacher_knows_how_long_its_lesson_is(teacher):
    by_default, shorter = TeachGateHook(teacher, 0.5), TeachGateHook(teacher, 0.5, iters=10, reuse=1)
    assert (by_default.iters, by_default.reuse) == (teacher.iters, teacher.reuse)
    assert (shorter.iters, shorter.reuse) == (10, 1)


def test_an_answer_serves_several_steps():
    """Each so many times on average, among the last ones; a teacher that is quick is asked for each step."""
    lessons = [(torch.tensor(i), torch.tensor(i)) for i in range(40)]
    assert list(_reused(iter(lessons), 1)) == lessons
    handed = [images.item() for images, _ in _reused(iter(lessons), 3)]
    assert len(handed) == 120
    assert all(place // 3 - _KEPT_LESSONS < index <= place // 3 for place, index in enumerate(handed))
    assert len(set(handed)) > 30

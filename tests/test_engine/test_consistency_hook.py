"""ConsistencyHook: model, data and checkpoint of a run must fit."""

from types import SimpleNamespace

import pytest
import torch
from mmseg.models.decode_heads import FCNHead
from torch import nn

from msvit.checkpoints import CheckpointError
from msvit.engine import ConsistencyHook


def make_runner(train: int = 2, val: int | None = 2, num_classes: int = 2, **head) -> SimpleNamespace:
    """A runner whose data sets have so many classes."""
    model = nn.ModuleDict(dict(decode_head=FCNHead(in_channels=4, channels=4, num_classes=num_classes, num_convs=1, **head)))
    train, val = (
        SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=tuple(map(str, range(count or 0))))))
        for count in (train, val)
    )
    return SimpleNamespace(
        model=model,
        train_dataloader=train,
        val_dataloader=val,
        test_dataloader=val,
        val_loop=val.dataset.metainfo['classes'] or None,
    )


@pytest.mark.parametrize('stage', ['before_train', 'before_val', 'before_test'])
def test_equal_numbers_of_classes_pass(stage):
    getattr(ConsistencyHook(), stage)(make_runner())


def test_data_without_classes_and_single_output_channels_pass():
    ConsistencyHook().before_train(make_runner(train=0, val=None))
    ConsistencyHook().before_train(make_runner(out_channels=1, threshold=0.5))


@pytest.mark.parametrize(('train', 'val'), [(3, 2), (2, 3), (3, None)])
def test_other_numbers_of_classes_stop_a_training_at_its_start(train, val):
    with pytest.raises(ValueError, match='FCNHead has num_classes=2, but the 3 classes of SimpleNamespace are 0, 1, 2: '):
        ConsistencyHook().before_train(make_runner(train, val))


@pytest.mark.parametrize('stage', ['before_val', 'before_test'])
def test_other_numbers_of_classes_stop_an_evaluation(stage):
    with pytest.raises(ValueError, match='set num_classes=5 in the config'):
        getattr(ConsistencyHook(), stage)(make_runner(val=5))


def test_a_checkpoint_may_lack_less_than_half_of_the_model():
    runner = make_runner()
    state = runner.model.state_dict()
    ConsistencyHook().after_load_checkpoint(runner, {'state_dict': {f'module.{name}': value for name, value in state.items()}})
    state.pop('decode_head.conv_seg.bias')
    ConsistencyHook().after_load_checkpoint(runner, state)


@pytest.mark.parametrize('shared', [1, 2, 3])
def test_a_backbone_with_another_head_may_be_loaded_but_not_a_lesser_part_of_it(shared):
    runner = make_runner()
    runner.model['backbone'] = nn.ParameterList(torch.zeros(2) for _ in range(4))
    checkpoint = {f'backbone.{i}': torch.ones(2) for i in range(shared)} | {'decode_head.other': torch.ones(3)}
    if shared >= 2:
        ConsistencyHook().after_load_checkpoint(runner, checkpoint)
    else:
        with pytest.raises(CheckpointError, match="fits only 1 of the model's"):
            ConsistencyHook().after_load_checkpoint(runner, checkpoint)


@pytest.mark.parametrize('change', ['names', 'shapes', 'no tensors'])
def test_foreign_checkpoints_are_refused(change):
    runner = make_runner()
    state = {
        'names': {f'other.{name}': value for name, value in runner.model.state_dict().items()},
        'shapes': {name: torch.zeros(9, 9) for name in runner.model.state_dict()},
        'no tensors': {'epoch': 3},
    }[change]
    with pytest.raises(CheckpointError, match="fits only 0 of the model's"):
        ConsistencyHook().after_load_checkpoint(runner, {'state_dict': state})

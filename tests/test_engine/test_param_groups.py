"""Parameters of equal settings share a group, and learn as they do in groups of their own."""

import pytest
import torch
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from msvit.engine import GroupedOptimWrapperConstructor

PARAMWISE = {
    'by name': dict(custom_keys={'1': dict(lr_mult=10.0), 'bias': dict(decay_mult=0.0)}),
    'by kind': dict(norm_decay_mult=0.0, bias_lr_mult=2.0),
    'nothing': {},
}


def make_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4))


def build(kind, net: nn.Module, paramwise: dict):
    optimizer = dict(type='AdamW', lr=1e-2, weight_decay=0.1)
    return kind(dict(type='OptimWrapper', optimizer=optimizer), paramwise)(net)


@pytest.mark.parametrize('paramwise', PARAMWISE.values(), ids=PARAMWISE)
def test_the_steps_are_those_of_mmengine(paramwise):
    nets = []
    for kind in (DefaultOptimWrapperConstructor, GroupedOptimWrapperConstructor):
        net = make_net()
        wrapper = build(kind, net, paramwise)
        for step in range(3):
            wrapper.update_params(net(torch.ones(2, 4) * step).square().sum())
        nets.append(net)
    for ours, theirs in zip(nets[1].parameters(), nets[0].parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_each_setting_has_one_group():
    net = make_net()
    net[0].weight.requires_grad_(False)
    groups = build(GroupedOptimWrapperConstructor, net, PARAMWISE['by name']).optimizer.param_groups
    assert sorted((group['lr'], group['weight_decay']) for group in groups) == [(1e-2, 0.0), (1e-2, 0.1), (1e-1, 0.1)]
    held = [id(parameter) for group in groups for parameter in group['params']]
    assert sorted(held) == sorted(id(parameter) for parameter in net.parameters() if parameter.requires_grad)


def test_a_run_of_mmengines_groups_is_refused():
    """Not resumed in part: the optimiser says that its groups are others."""
    before, now = (
        build(kind, make_net(), PARAMWISE['by name'])
        for kind in (DefaultOptimWrapperConstructor, GroupedOptimWrapperConstructor)
    )
    with pytest.raises(ValueError, match='different number of parameter groups'):
        now.load_state_dict(before.state_dict())

"""Weights that can be read and are none: refused by name before they reach a model."""

import copy

import pytest
import torch
from safetensors.torch import save_file

from msvit.backbones import MSViT
from msvit.checkpoints import CheckpointError, load_gate, load_vit
from msvit.gates import MLPGate

TINY = dict(arch=dict(embed_dim=8, depth=1, num_heads=1, patch_size=4), img_size=16, coarse_patch_size=8)
GATE = dict(type='msvit.MLPGate', hidden_dims=(4,))
HOSTILE = {
    'integer': lambda value: value.to(torch.int8),
    'complex': lambda value: value.to(torch.complex64),
    'nan': lambda value: value * torch.nan,
    'infinite': lambda value: value + torch.inf,
}


@pytest.mark.parametrize('kind', HOSTILE)
def test_a_backbone_takes_finite_real_numbers_alone(kind):
    net = MSViT(**TINY)
    state = net.state_dict()
    state['norm.weight'] = HOSTILE[kind](state['norm.weight'])
    with pytest.raises(CheckpointError, match=r'weights of the given tensors are .* norm\.weight'):
        load_vit(net, state)
    assert torch.equal(net.norm.weight, torch.ones(8))


@pytest.mark.parametrize('kind', HOSTILE)
def test_a_gate_too(kind):
    state = MLPGate(8, hidden_dims=(4,)).state_dict()
    state['mlp.0.bias'] = HOSTILE[kind](state['mlp.0.bias'])
    with pytest.raises(CheckpointError, match=r'weights of the given tensors are .* mlp\.0\.bias'):
        load_gate(state)


@pytest.mark.parametrize('size', ['0', '-8', '1.5', 'true', '"8"', '7', '{'])
def test_metadata_of_a_gate_that_makes_no_sense_is_refused(tmp_path, size):
    save_file(MLPGate(8, hidden_dims=(4,)).state_dict(), tmp_path / 'gate.safetensors', metadata=dict(coarse_patch_size=size))
    with pytest.raises(CheckpointError, match='the metadata of .*gate.safetensors makes no sense'):
        load_gate(tmp_path / 'gate.safetensors')


def test_a_model_with_uncollected_losses_can_be_copied():
    net = MSViT(**TINY, gate=GATE, gate_loss=dict(type='msvit.GBaSLoss')).train()
    net(torch.zeros(2, 3, 16, 16))
    twin = copy.deepcopy(net)
    assert twin.pop_gate_losses() == {}
    assert 'loss_gate_prior' in net.pop_gate_losses()

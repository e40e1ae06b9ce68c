"""A gate that another model trained: frozen or not, in any host, at any input size."""

import pytest
import torch
from msvit.backbones.pruning.base.base import PruningDeiT

from msvit.backbones import MSDeiT, MSDyViT, MSEViT, MSSwin, MSViT
from msvit.backbones.gated import GatedBackbone
from msvit.checkpoints import load_gate, save_gate
from msvit.gates import MLPGate, Normalization
from msvit.losses import GBaSLoss

ARCH = dict(embed_dim=16, depth=2, num_heads=2, patch_size=8)
HOSTS = [MSViT, MSDeiT, MSDyViT, MSEViT, MSSwin]
TRAINED = Normalization((127.5,) * 3, (127.5,) * 3)
IMAGENET = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


@pytest.fixture
def gate() -> MLPGate:
    torch.manual_seed(0)
    gate = MLPGate(coarse_patch_size=16, hidden_dims=(16,), init_p_fine=0.5)
    torch.nn.init.normal_(gate.mlp[-1].weight)
    return gate.eval()


@pytest.fixture
def file(gate, tmp_path):
    return save_gate(gate, tmp_path / 'gate.safetensors', TRAINED)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(3, 3, 64, 48, generator=torch.Generator().manual_seed(2))


SWIN = dict(embed_dim=8, depths=(2, 2, 2), num_heads=(1, 2, 2), window_size=4, patch_size=4)


def make(host: type[GatedBackbone] = MSViT, **kwargs) -> GatedBackbone:
    torch.manual_seed(1)
    if host is MSSwin:
        return MSSwin(SWIN, **{'img_size': 32, 'coarse_patch_size': 16, 'out_indices': (-1,), **kwargs})
    if issubclass(host, PruningDeiT):
        kwargs['prune_at'] = (1,)
    return host(ARCH, **{'img_size': 32, 'coarse_patch_size': 16, 'out_type': 'cls_token', **kwargs})


@pytest.mark.parametrize('host', HOSTS)
@pytest.mark.parametrize('form', ['text', 'path', 'config', 'module'])
def test_it_decides_in_any_host_as_it_did(host, form, gate, file, images):
    config = dict(type='msvit.TrainedGate', checkpoint=str(file))
    given = {'text': str(file), 'path': file, 'config': config, 'module': load_gate(file)}[form]
    net = make(host, gate=given).eval()
    assert type(net.gate) is MLPGate and net.gate.frozen
    expected = gate(images)
    decision = net.decide(images)
    assert torch.equal(decision.p_fine, expected.p_fine) and torch.equal(decision.fine_mask, expected.fine_mask)
    net.gate.threshold = 1.0
    assert not net.decide(images).fine_mask.any()


@pytest.mark.parametrize('host', HOSTS)
@pytest.mark.parametrize('frozen', [True, False])
def test_pretrained_weights_of_the_host_leave_it_alone(host, frozen, gate, file, tmp_path):
    donor = make(host, gate=dict(type='msvit.MLPGate', hidden_dims=(16,)))
    weights = tmp_path / 'donor.pth'
    torch.save(donor.state_dict(), weights)
    net = make(host, gate=dict(type='msvit.TrainedGate', checkpoint=file, frozen=frozen), pretrained=str(weights))
    for name, value in net.state_dict().items():
        of_gate = name.startswith('gate.')
        expected = gate.state_dict()[name.removeprefix('gate.')] if of_gate else donor.state_dict()[name]
        assert torch.equal(value, expected), name


def test_the_gate_of_a_trained_model_in_another(gate, images, tmp_path):
    donor = make(gate=gate)
    torch.save(
        dict(state_dict={f'backbone.{name}': value for name, value in donor.state_dict().items()}), tmp_path / 'run.pth'
    )
    net = make(MSDeiT, gate=str(tmp_path / 'run.pth')).eval()
    assert torch.equal(net.decide(images).fine_mask, gate(images).fine_mask)


def test_in_a_host_of_another_normalisation(gate, file):
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3)) * 255
    theirs, ours = ((pixels - torch.tensor(m)[:, None, None]) / torch.tensor(s)[:, None, None] for m, s in (TRAINED, IMAGENET))
    config = dict(type='msvit.TrainedGate', checkpoint=file, mean=IMAGENET.mean, std=IMAGENET.std)
    assert torch.equal(make(gate=config).eval().decide(ours).fine_mask, gate(theirs).fine_mask)
    assert not torch.equal(make(gate=file).eval().decide(ours).fine_mask, gate(theirs).fine_mask)


@pytest.mark.parametrize('layout', ['masked', 'trimmed', 'packed'])
def test_a_frozen_gate_stays_as_it_is_while_its_host_trains(gate, file, images, layout):
    net = make(gate=file, train_layout=layout).train()
    before = {name: value.clone() for name, value in net.gate.state_dict().items()}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        decision = net.decide(images)
        assert torch.equal(decision.fine_mask, gate(images).fine_mask)
        net(images)[0].square().sum().backward()
        optimizer.step()
    assert net.pop_gate_losses() == {}
    assert all(torch.equal(value, before[name]) for name, value in net.gate.state_dict().items())
    assert net.training and not net.gate.training
    assert net.blocks[0].attn.qkv.weight.grad.abs().sum() > 0


def test_a_trainable_gate_trains_on(file, images):
    config = dict(type='msvit.TrainedGate', checkpoint=file, frozen=False)
    net = make(gate=config, gate_loss=GBaSLoss((4, 3), target=0.2), train_layout='masked').train()
    before = net.gate.mlp[0].weight.clone()
    loss = net(images)[0].square().sum() + sum(value for name, value in net.pop_gate_losses().items() if 'loss' in name)
    loss.backward()
    torch.optim.SGD(net.parameters(), lr=0.1).step()
    assert not torch.equal(net.gate.mlp[0].weight, before)
    assert not torch.equal(net.decide(images).p_fine, net.decide(images).p_fine)  # it draws again


def test_a_gate_loss_needs_a_gate_that_trains(file):
    with pytest.raises(
        ValueError, match='gate_loss has nothing to train: the gate is frozen; .*frozen=False.* or drop gate_loss'
    ):
        make(gate=file, gate_loss=GBaSLoss((2, 2)))


def test_regions_of_another_size_are_named_with_the_fix(file):
    message = (
        'regions of 16 pixels, .*coarse_patch_size=32: build MSViT with coarse_patch_size=16, or take a gate .* of 32 pixels'
    )
    with pytest.raises(ValueError, match=message):
        make(gate=file, coarse_patch_size=32)


def test_a_hosts_checkpoint_brings_its_own_gate(file, gate):
    donor, net = make(gate=gate), make(gate=file)
    torch.nn.init.normal_(donor.gate.mlp[0].weight)
    net.load_state_dict(donor.state_dict())
    assert torch.equal(net.gate.mlp[0].weight, donor.gate.mlp[0].weight) and net.gate.frozen

"""Training MSSwin: the gate's gradient, a gradient for every parameter, stochastic depth, freezing, precision."""

import pytest
import torch
from torch import Tensor

from msvit.backbones import MSSwin
from msvit.gates import BaseGate, GateOutput

LEARNED = dict(
    gate=dict(type='msvit.MLPGate', hidden_dims=(8,), init_p_fine=0.5), gate_loss=dict(type='msvit.GBaSLoss', target=0.5)
)
SCALES = [8, 16, 32]


@pytest.fixture(params=['packed', 'masked'])
def layout(request) -> str:
    return request.param


class Relaxed(GateOutput):
    """A decision whose values count as they are, so that they can be differentiated numerically."""

    def straight_through(self) -> Tensor:
        return self.p_fine


class LeafGate(BaseGate):
    """Decisions that are themselves the leaves of the graph."""

    def __init__(self, size: int, mask: Tensor):
        super().__init__(size)
        self.mask = mask
        self.value = torch.nn.Parameter(mask.double())

    def forward(self, images: Tensor) -> GateOutput:
        return Relaxed(self.value, self.mask)


def loss_of(outputs: tuple[Tensor, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return sum((x * torch.randn(x.shape, generator=generator, dtype=x.dtype)).sum() for x in outputs)


CASES = {
    'every window has a fine cell': (dict(depths=(2, 1), num_heads=(1, 2), window_size=4), 8, 32, 4, True),
    'padded windows': (dict(depths=(2, 2, 1), num_heads=(1, 2, 2), window_size=((7, 7), (3, 3), (2, 2))), 16, 32, 2, False),
    'windows of absent cells': (dict(depths=(2, 2, 1), num_heads=(1, 2, 2), window_size=2), 16, 32, 2, False),
}


@pytest.mark.parametrize(('arch', 'scale', 'size', 'side', 'checks_absent'), CASES.values(), ids=CASES.keys())
def test_the_gates_gradient_is_numerical_differentiation(tiny_msswin, layout, arch, scale, size, side, checks_absent):
    checkers = (torch.arange(side)[:, None] + torch.arange(side)) % 2 == 0
    mask = checkers | (torch.rand(2, side, side, generator=torch.Generator().manual_seed(2)) < 0.3)
    gate = LeafGate(scale, mask)
    net = tiny_msswin(
        {'embed_dim': 8, **arch}, img_size=size, coarse_patch_size=scale, gate=gate, layout=layout, out_indices=(0, 1)
    )
    net = net.double()
    with torch.no_grad():
        gate.value.copy_(mask)
    images = torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    loss_of(net(images)).backward()

    def loss_at(index: tuple[int, ...], value: float) -> float:
        with torch.no_grad():
            kept = gate.value[index].item()
            gate.value[index] = value
            loss = loss_of(net(images)).item()
            gate.value[index] = kept
        return loss

    step = 1e-4
    for index in [tuple(i) for i in mask.nonzero().tolist()]:
        numeric = (loss_at(index, 1 + step) - loss_at(index, 1 - step)) / (2 * step)
        assert gate.value.grad[index].item() == pytest.approx(numeric, rel=1e-5, abs=1e-6)
    # an absent cell's weight cannot fall below 0; where no key of its window is present it cannot be differentiated
    absent = [tuple(i) for i in (~mask).nonzero().tolist()] if layout == 'packed' or checks_absent else []
    for index in absent:
        at = [loss_at(index, value) for value in (0, step, 2 * step)]
        numeric = (4 * at[1] - 3 * at[0] - at[2]) / (2 * step)
        assert gate.value.grad[index].item() == pytest.approx(numeric, rel=1e-4, abs=1e-5)
        assert numeric != 0
    assert gate.value.grad.isfinite().all()


def test_only_the_masked_layout_tells_the_gate_how_absent_cells_would_have_served(tiny_msswin):
    mask = torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    images = torch.randn(1, 3, 64, 64).double()
    gradients = {}
    for layout in ('packed', 'masked'):
        gate = LeafGate(16, mask)
        net = tiny_msswin(gate=gate, layout=layout).double()
        gate.value.data.copy_(mask)
        loss_of(net(images)).backward()
        gradients[layout] = gate.value.grad
    assert not torch.allclose(gradients['packed'][~mask], gradients['masked'][~mask])


def test_a_gate_that_trains_changes_no_other_gradient(tiny_msswin, layout):
    """Weights of value 1 and 0 are what a frozen gate computes with."""
    mask = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    gate = LeafGate(16, mask)
    net = tiny_msswin(gate=gate, layout=layout).double()
    gate.value.data.copy_(mask)
    images = torch.randn(2, 3, 64, 64).double()
    found = {}
    for kind, given in (('trained', None), ('given', mask)):
        net.zero_grad()
        loss_of(net(images, fine_mask=given)).backward()
        found[kind] = {name: p.grad.clone() for name, p in net.named_parameters() if not name.startswith('gate.')}
    for name, gradient in found['trained'].items():
        torch.testing.assert_close(gradient, found['given'][name], atol=1e-8, rtol=1e-8, msg=name)


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('share', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('norm_outputs', [False, True])
def test_every_parameter_has_a_gradient(tiny_msswin, layout, scale, share, norm_outputs):
    """As distributed training demands, whatever the gate decides."""
    net = tiny_msswin(coarse_patch_size=scale, layout=layout, norm_outputs=norm_outputs).train()
    images = torch.randn(2, 3, 64, 72)
    mask = torch.rand(2, *net.grid(images).region_shape) < share
    loss_of(net(images, fine_mask=mask)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        new = name.startswith(('coarse_embed', 'fills'))
        before = [f'{part}.{i}.' for i in range(net.entry_stage - 1) for part in ('layers', 'out_norms')]
        early = name.startswith(('patch_embed', *before, f'layers.{net.entry_stage - 1}.downsample'))
        if share == 1 and new or share == 0 and early:
            assert not parameter.grad.any(), name
        elif 'qkv.bias' not in name:
            assert parameter.grad.any(), name


def step(net: MSSwin, images: Tensor) -> float:
    outputs = net(images)
    losses = net.pop_gate_losses()
    total = sum(x.square().mean() for x in outputs) + sum(x for name, x in losses.items() if 'loss' in name)
    total.backward()
    return total.item()


def test_a_learned_gate_trains_with_its_loss(tiny_msswin, layout):
    net = tiny_msswin(coarse_patch_size=16, layout=layout, **LEARNED).train()
    images = torch.randn(2, 3, 64, 64)
    torch.manual_seed(0)
    losses = []
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(5):
        optimiser.zero_grad()
        losses.append(step(net, images))
        assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
        optimiser.step()
    assert losses[-1] < losses[0]
    net(images)
    log = net.pop_gate_losses()
    assert {'loss_gate_prior', 'fine_share', 'tokens'} <= set(log)
    assert log['tokens'] == 16 + 15 * 16 * log['fine_share']


def test_a_frozen_gate_pays_no_gradient(tiny_msswin, layout):
    net = tiny_msswin(coarse_patch_size=16, layout=layout, gate=LEARNED['gate'])
    net.gate.requires_grad_(False)
    seen = []
    net.layers[0].blocks[0].attn.relative_position_bias_table.register_hook(seen.append)
    output = net(torch.randn(1, 3, 64, 64))[0]
    names, todo = set(), [output.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in names:
            names.add(node)
            todo += [parent for parent, _ in node.next_functions]
    assert not any('WeightedAttention' in node.name() for node in names)
    output.sum().backward()
    assert len(seen) == 1


@pytest.mark.parametrize('mask', [None, [[[1, 0], [0, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]]], ids=['all fine', 'mixed'])
def test_stochastic_depth_drops_whole_images(tiny_msswin, layout, mask):
    net = tiny_msswin(coarse_patch_size=32, layout=layout, drop_path_rate=0.8).train()
    rates = [rate for stage in net.drop_path_rates for rate in stage]
    assert rates == pytest.approx([0.8 * i / 7 for i in range(8)])
    images = torch.randn(1, 3, 64, 64).expand(3, -1, -1, -1)
    mask = None if mask is None else torch.tensor(mask).bool()
    torch.manual_seed(1)
    random = net(images, fine_mask=mask)[-1]
    assert not torch.equal(random[0], random[2])
    torch.manual_seed(1)
    with torch.no_grad():
        torch.testing.assert_close(net(images, fine_mask=mask)[-1], random)
    net.eval()
    assert torch.equal(net(images, fine_mask=mask)[-1], net(images, fine_mask=mask)[-1])

    # blocks whose branches are all dropped pass their input on, image by image
    net.train()
    net.drop_path_rates = [[0.5] * len(layer.blocks) for layer in net.layers]
    torch.manual_seed(0)
    outputs = {tuple(x.flatten().tolist()) for _ in range(8) for x in net(images)[0].detach()}
    assert 1 < len(outputs) <= 24


@pytest.mark.parametrize('frozen_stages', [-1, 0, 1, 3, 4])
def test_frozen_stages(tiny_msswin, frozen_stages):
    net = tiny_msswin(
        coarse_patch_size=16, norm_outputs=True, drop_path_rate=0.2, frozen_stages=frozen_stages, **LEARNED
    ).train()
    step(net, torch.randn(2, 3, 64, 64))
    for name, parameter in net.named_parameters():
        stage = next((i for i in range(4) if name.startswith((f'layers.{i}.', f'out_norms.{i}.'))), None)
        stage = 3 if name.startswith('norm.') else stage
        frozen = frozen_stages >= 0 if name.startswith('patch_embed') else stage is not None and stage < frozen_stages
        assert parameter.requires_grad != frozen, name
        assert (parameter.grad is None) == frozen, name
    for i, layer in enumerate(net.layers):
        assert all(module.training == (i >= frozen_stages) for module in layer.modules())
    assert net.gate.training
    assert net.coarse_embed.training


def test_recomputed_blocks_give_the_same(tiny_msswin, layout):
    gradients = {}
    for with_cp in (False, True):
        net = tiny_msswin(coarse_patch_size=16, layout=layout, with_cp=with_cp, drop_path_rate=0.3, **LEARNED).train()
        torch.manual_seed(0)
        step(net, torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
        gradients[with_cp] = {name: p.grad for name, p in net.named_parameters()}
    for name, gradient in gradients[True].items():
        torch.testing.assert_close(gradient, gradients[False][name], atol=1e-6, rtol=1e-4, msg=name)


def test_mixed_precision(tiny_msswin, layout):
    net = tiny_msswin(coarse_patch_size=16, layout=layout, drop_path_rate=0.1, norm_outputs=True, **LEARNED)
    images = torch.randn(2, 3, 60, 52)
    with torch.no_grad():
        exact = net(images)
        with torch.autocast('cpu', torch.bfloat16):
            rounded = net(images)
    for ours, wanted in zip(rounded, exact, strict=True):
        assert (ours.float() - wanted).abs().max() < 0.1 * wanted.abs().max()
    net.train()
    with torch.autocast('cpu', torch.bfloat16):
        total = sum(x.float().square().mean() for x in net(images)) + net.pop_gate_losses()['loss_gate_prior']
    total.backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())
    assert net.gate.mlp[0].weight.grad.any()


def test_training_after_inference_mode(tiny_msswin, layout):
    net = tiny_msswin(coarse_patch_size=16, layout=layout, **LEARNED)
    images = torch.randn(2, 3, 51, 57)  # a size that no other test has cached maps of
    with torch.inference_mode():
        net(images)
        net(images, fine_mask=torch.ones(2, 4, 4))
    net.train()
    assert step(net, images) > 0
    net(images, fine_mask=torch.ones(2, 4, 4))[-1].sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())

"""Time and memory of training steps."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample

from msvit.analysis.model import AnalysedModel
from msvit.analysis.training_time import measure_steps
from msvit.analysis.training_time.batches import Batches, noise_batches
from msvit.analysis.training_time.model import time_training

HOSTS = {
    'MSViT': dict(arch=dict(embed_dim=16, depth=2, num_heads=2, patch_size=8)),
    'MSDyViT': dict(arch=dict(embed_dim=16, depth=2, num_heads=2, patch_size=8), prune_at=(1,)),
    'MSSwin': dict(arch=dict(embed_dim=8, depths=(2, 2), num_heads=(1, 2), window_size=4, patch_size=8)),
}
LEARNED = dict(type='msvit.MLPGate', hidden_dims=(8,), init_p_fine=0.5)
LOSS = dict(type='msvit.GBaSLoss', target=0.5)


def make(host: str = 'MSViT', gate: dict | None = LEARNED, gate_loss: dict | None = LOSS) -> AnalysedModel:
    """A classifier of 64x64 images, 64 fine cells in 16 regions."""
    torch.manual_seed(0)
    out = 'avg_featmap' if host == 'MSSwin' else 'cls_token'
    backbone = dict(type=f'msvit.{host}', img_size=64, coarse_patch_size=16, gate=gate, out_type=out, **HOSTS[host])
    head = dict(type='LinearClsHead', in_channels=16, num_classes=3)
    model = dict(
        type='ImageClassifier',
        backbone=dict(backbone, gate_loss=gate_loss),
        head=head,
        data_preprocessor=dict(mean=[127.0] * 3, std=[60.0] * 3, num_classes=3),
    )
    optimiser = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.1), clip_grad=dict(max_norm=1.0))
    loader = dict(batch_size=2)
    cfg = dict(default_scope='mmpretrain', model=model, optim_wrapper=optimiser, train_dataloader=loader)
    return AnalysedModel(Config(cfg))


def test_every_step_sees_the_same_draws():
    draws = dict(a=[], b=[])

    def step(name: str, number: int) -> float:
        draws[name].append((number, torch.rand(()).item()))
        return 10.0 * number

    costs = measure_steps({name: lambda n, name=name: step(name, n) for name in draws}, rounds=2, warm_up=1, seed=5)
    assert draws['a'] == draws['b']
    assert [number for number, _ in draws['a']] == [0, 1, 2, 3]  # the last one is for its memory
    assert draws['a'][1][1] == torch.rand((), generator=torch.Generator().manual_seed(6)).item()
    assert costs['a'].tokens == 15


def test_memory_is_that_of_the_step():
    costs = measure_steps({f'{n}': lambda _, n=n: torch.zeros(n * 256).sum() for n in (1, 4)}, rounds=1)
    assert costs['4'].peak_bytes - costs['1'].peak_bytes == 3 * 1024


@pytest.mark.parametrize('host', HOSTS)
def test_layouts_train_the_same_model_on_the_same_tokens(host):
    model = make(host)
    before = copy.deepcopy(model.model.state_dict())
    gate, seen = model.backbone.gate, []
    gate.mlp[0].weight.register_hook(lambda _: seen.append(model.backbone.train_layout))
    without_gate = set()
    model.backbone.register_forward_pre_hook(lambda net, _: without_gate.add(net.train_layout) if net.gate is None else None)
    batches = noise_batches(model, count=2)
    costs = time_training(model, batches, rounds=2, seed=3)
    layouts = ['masked', 'packed'] if host == 'MSSwin' else ['masked', 'trimmed', 'packed']
    assert list(costs) == ['plain', *layouts]
    assert seen == layouts * 3 + layouts, 'each layout took each step, and the gate learned in it'
    assert without_gate == {'packed' if host == 'MSSwin' else 'trimmed'}, 'no coarse candidates where there is no gate'
    assert all(torch.equal(value, before[name]) for name, value in model.model.state_dict().items())
    assert model.backbone.gate is gate and not gate._forward_hooks

    tokens = []
    for number in range(4):
        torch.manual_seed(3 + number)
        with torch.no_grad():
            mask = model.backbone.decide(batches.items[number % 2]['inputs']).fine_mask
        tokens.append(16 + 3 * mask.sum().item() / 2)
    assert costs['plain'].tokens == 64
    assert {name: costs[name].tokens for name in layouts} == {name: pytest.approx(sum(tokens) / 4) for name in layouts}
    assert costs['masked'].peak_bytes > costs['packed'].peak_bytes


def test_blocks_hold_what_their_layout_holds():
    model, lengths = make(), []
    model.backbone.blocks[0].register_forward_pre_hook(lambda block, args: lengths.append(tuple(args[0].shape[:2])))
    batches = noise_batches(model, count=1)
    time_training(model, batches, rounds=1, seed=1)
    torch.manual_seed(1)
    with torch.no_grad():
        counts = 16 + 3 * model.backbone.decide(batches.items[0]['inputs']).fine_mask.sum(dim=(1, 2))
    assert lengths[:4] == [(2, 65), (2, 81), (2, 1 + counts.max()), (1, 2 + counts.sum())]


@pytest.mark.parametrize(
    'gate', [dict(type='msvit.RadialGate', fine_share=0.5), dict(LEARNED, frozen=True)], ids=['fixed', 'frozen']
)
def test_gates_that_do_not_learn(gate):
    model = make(gate=gate, gate_loss=None)
    costs = time_training(model, noise_batches(model, count=1), rounds=1)
    assert 16 <= costs['packed'].tokens == costs['masked'].tokens <= 64


def test_a_model_without_a_gate_is_refused():
    with pytest.raises(ValueError, match='has no gate'):
        time_training(make(gate=None, gate_loss=None), Batches([], 1))


def test_noise_repeats_and_has_the_size_and_the_labels_of_the_config():
    model = make()
    first, again, other = (noise_batches(model, 2, 5, seed) for seed in (0, 0, 1))
    assert (first.size, len(first.items), first.train_images) == (5, 2, None)
    assert first.items[0]['inputs'].shape == (5, 3, 64, 64)
    labels = [int(sample.gt_label) for item in first.items for sample in item['data_samples']]
    assert all(isinstance(sample, DataSample) for sample in first.items[0]['data_samples'])
    assert set(labels) == {0, 1, 2}
    assert torch.equal(first.items[1]['inputs'], again.items[1]['inputs'])
    assert not torch.equal(first.items[1]['inputs'], other.items[1]['inputs'])
    assert noise_batches(model, 1).size == 2

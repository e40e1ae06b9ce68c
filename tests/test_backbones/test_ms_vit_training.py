"""Training MSViT: gate loss, drop path, freezing, checkpointing, mixed precision."""

import pytest
import torch

GATE = dict(type='msvit.MLPGate', hidden_dims=(8,), init_p_fine=0.5)
LEARNED = dict(gate=GATE, gate_loss=dict(type='msvit.GBaSLoss', grid=(2, 2), target=0.3, weight=2.0))


@pytest.fixture
def images():
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def step(net, images, seed: int = 0):
    """One training step's total, after its backward pass."""
    torch.manual_seed(seed)
    net.zero_grad()
    total = net(images)[0].square().mean()
    total = total + sum(value for name, value in net.pop_gate_losses().items() if 'loss' in name)
    total.backward()
    return total.item()


def test_train_returns_the_net(tiny_msvit):
    net = tiny_msvit()
    assert net.train() is net
    assert net.training
    assert net.eval() is net
    assert not net.training


def test_gate_losses_are_handed_over_once(tiny_msvit, images):
    net = tiny_msvit(**LEARNED).train()
    assert net.pop_gate_losses() == {}
    tokens = net.forward_tokens(images)
    losses = net.pop_gate_losses()
    assert sorted(losses) == ['fine_share', 'loss_gate_hyperprior', 'loss_gate_prior', 'tokens']
    assert losses['tokens'].item() == tokens.counts.float().mean().item()
    assert losses['fine_share'].item() == tokens.fine_mask.float().mean().item()
    assert net.pop_gate_losses() == {}
    (losses['loss_gate_prior'] + losses['loss_gate_hyperprior']).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.gate.parameters())
    assert net.gate_loss.prior_logit.grad.abs().sum() > 0


def test_losses_that_nobody_collects_are_an_error(tiny_msvit, images):
    net = tiny_msvit(**LEARNED).train()
    net(images)
    with pytest.raises(RuntimeError, match=r"nobody collected the gate's loss.*GateLossHook.*pop_gate_losses\(\)"):
        net(images)


def test_forward_passes_that_need_no_collecting(tiny_msvit, images):
    net = tiny_msvit(**LEARNED)
    net(images)
    assert net.pop_gate_losses() == {}  # evaluation
    net.train()
    with torch.no_grad():
        net(images)
    net(images, fine_mask=torch.ones(4, 2, 2))
    assert net.pop_gate_losses() == {}
    net(images)
    net.eval()
    net.train()(images)  # a new beginning after an evaluation
    assert net.pop_gate_losses()


def test_without_a_gate_loss_the_task_trains_the_gate(tiny_msvit, images, layout):
    net = tiny_msvit(gate=GATE, layout=layout).train()
    for _ in range(2):
        net(images)[0].square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.gate.parameters())
    assert sorted(net.pop_gate_losses()) == ['fine_share', 'tokens']


def test_the_training_layout_is_its_own(tiny_msvit, images):
    net = tiny_msvit(gate=GATE, layout='packed', train_layout='trimmed', out_type='tokens')
    assert net(images)[0].layout == 'packed'
    assert net.train()(images)[0].layout == 'trimmed'


def test_absent_tokens_stay_out_in_training(tiny_msvit, images, assert_relative):
    """The gate's straight-through weights must be 0 and 1 to the last bit, or absent tokens with high scores leak in."""
    net = tiny_msvit(gate=GATE, layout='masked')
    with torch.no_grad():
        for block in net.blocks:
            block.attn.qkv.weight *= 6  # scores of tens
    net.train()
    for seed in range(5):
        torch.manual_seed(seed)
        trained = net.forward_tokens(images)
        net.train_layout = 'packed'
        given = net.forward_tokens(images, trained.fine_mask)
        net.train_layout = 'masked'
        assert_relative(trained.to_map(), given.to_map(), 5e-5)


@pytest.mark.parametrize('frozen_stages', [-1, 0, 2])
def test_checkpointing_changes_no_gradient(tiny_msvit, images, layout, frozen_stages):
    results = []
    for with_cp in (False, True):
        options = dict(LEARNED, drop_path_rate=0.5, layout=layout, frozen_stages=frozen_stages)
        net = tiny_msvit(dict(depth=3), with_cp=with_cp, **options).train()
        total = step(net, images)
        results.append((total, {name: p.grad for name, p in net.named_parameters() if p.grad is not None}))
    (total, gradients), (total_cp, gradients_cp) = results
    assert total == total_cp
    assert gradients.keys() == gradients_cp.keys()
    assert {'gate.mlp.0.weight', 'gate_loss.prior_logit', 'norm.weight'} <= gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradients_cp[name], gradient)


def test_a_seed_repeats_a_step(tiny_msvit, images, layout):
    net = tiny_msvit(drop_path_rate=0.5, layout=layout, **LEARNED).train()
    first = step(net, images)
    assert step(net, images) == first
    assert step(net, images, seed=1) != first


def test_drop_path_rates_grow_linearly(tiny_msvit):
    net = tiny_msvit(dict(depth=5), drop_path_rate=0.4)
    assert [block.drop_path_rate for block in net.blocks] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_drop_path_skips_blocks_for_single_images(tiny_msvit, images, layout, assert_relative):
    net = tiny_msvit(drop_path_rate=0.5, layout=layout, out_indices=(0, 1), out_type='tokens').train()
    mask = torch.rand(4, 2, 2, generator=torch.Generator().manual_seed(4)) > 0.5
    net.norm = torch.nn.Identity()
    skipped = torch.zeros(4)
    for seed in range(30):
        torch.manual_seed(seed)
        before, after = (tokens.to_map().flatten(1) for tokens in net(images, fine_mask=mask))
        skipped += (before == after).all(dim=1)
    # both branches dropped: a quarter of the time, and not in all images at once
    assert ((skipped > 1) & (skipped < 16)).all()
    assert len(set(skipped.tolist())) > 1


@pytest.mark.parametrize('frozen_stages', [0, 1, 2])
def test_frozen_parts_stay_as_they_are(tiny_msvit, images, frozen_stages):
    arch = dict(depth=3, proj_drop_rate=0.1, pos_drop_rate=0.1)
    net = tiny_msvit(arch, frozen_stages=frozen_stages, drop_path_rate=0.3, **LEARNED).train()
    step(net, images)
    frozen = [name for name, parameter in net.named_parameters() if not parameter.requires_grad]
    blocks = {f'blocks.{i}' for i in range(frozen_stages)}
    assert {'.'.join(name.split('.')[:2]) for name in frozen} == {'cls_token', 'pos_embed', 'patch_embed.proj', *blocks}
    assert all(net.get_parameter(name).grad is None for name in frozen)
    trained = set(dict(net.named_parameters())) - set(frozen)
    assert all(net.get_parameter(name).grad is not None for name in trained)
    assert any(name.startswith('gate.') for name in trained)
    for i, block in enumerate(net.blocks):
        assert all(module.training == (i >= frozen_stages) for module in block.modules())
    assert not net.patch_embed.training
    assert not net.pos_drop.training
    assert net.gate.training
    assert net.blocks[-1].drop_path_rate == pytest.approx(0.3)


@pytest.mark.parametrize('arch', [{}, dict(qk_norm=True)], ids=['plain', 'qk-norm'])
def test_mixed_precision(tiny_msvit, images, layout, arch):
    net = tiny_msvit(arch, layout=layout, drop_path_rate=0.1, **LEARNED)
    with torch.no_grad():
        exact = net(images)[0]
        with torch.autocast('cpu', torch.bfloat16):
            rounded = net(images)[0]
    torch.testing.assert_close(rounded.float(), exact, atol=0.15, rtol=0.1)
    net.train()
    torch.manual_seed(0)
    with torch.autocast('cpu', torch.bfloat16):
        total = net(images)[0].float().square().mean()
        total = total + net.pop_gate_losses()['loss_gate_prior']
    total.backward()
    gradients = [p.grad for name, p in net.named_parameters()]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert net.gate.mlp[0].weight.grad.abs().sum() > 0


def test_training_after_inference_mode(tiny_msvit, layout):
    net = tiny_msvit(layout=layout, **LEARNED)
    images = torch.randn(2, 3, 24, 24)  # a size that no other test has cached maps of
    with torch.inference_mode():
        net(images)
    net.train()
    assert step(net, images) > 0
    assert all(parameter.grad is not None for parameter in net.parameters())

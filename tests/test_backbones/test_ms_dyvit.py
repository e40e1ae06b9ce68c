"""MSDyViT against DynamicViT as its paper describes it, in plain torch on rectangular batches."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from msvit.backbones.pruning.base.ms_dyvit import ScorePredictor

from msvit.backbones import MSDyViT
from msvit.checkpoints import load_vit

ARCH = dict(embed_dim=32, depth=4, num_heads=2, patch_size=8)
GATE = dict(type='msvit.MLPGate', hidden_dims=(4,), init_p_fine=0.5)
RATES = (0.7, 0.7**2, 0.7**3)
COARSE = 16  # candidates before the fine ones, at 64 px


@pytest.fixture
def dyvit(perturb):
    def build(arch=None, **options):
        torch.manual_seed(0)
        options = {'img_size': 64, 'coarse_patch_size': 16, 'prune_at': (0, 1, 3), **options}
        return perturb(MSDyViT({**ARCH, **(arch or {})}, **options)).eval()

    return build


@pytest.fixture
def images():
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def predict(predictor: ScorePredictor, tokens: torch.Tensor, policy: torch.Tensor) -> torch.Tensor:
    """Logits of keep and drop (B, N, 2) (equations 1-4 of the paper)."""
    norm, first, _ = predictor.in_conv
    local, shared = F.gelu(first(norm(tokens))).chunk(2, dim=-1)
    shared = (shared * policy[..., None]).sum(1, keepdim=True) / policy.sum(1)[:, None, None]
    x = torch.cat((local, shared.expand_as(local)), dim=-1)
    return predictor.out_conv[4](F.gelu(predictor.out_conv[2](F.gelu(predictor.out_conv[0](x)))))


def run_block(block, x: torch.Tensor, policy: torch.Tensor | None = None, to_itself: bool = True) -> torch.Tensor:
    """timm's block with DynamicViT's attention masking (equations 10-12): a dropped token is a key for itself alone."""
    batch, length, width = x.shape
    q, k, v = block.attn.qkv(block.norm1(x)).reshape(batch, length, 3, block.attn.num_heads, -1).permute(2, 0, 3, 1, 4)
    z = (q @ k.mT * block.attn.scale).exp()
    if policy is not None:
        keys = torch.cat((torch.ones(batch, 1), policy), dim=1)[:, None, :].expand(-1, length, -1)
        z = z * (torch.where(torch.eye(length).bool(), 1, keys) if to_itself else keys)[:, None]
    y = (z / z.sum(-1, keepdim=True)) @ v
    x = x + block.attn.proj(y.transpose(1, 2).reshape(batch, length, width))
    return x + block.mlp(block.norm2(x))


def at_test(net: MSDyViT, x: torch.Tensor) -> torch.Tensor:
    """The class token of the encoder on tokens (B, 1 + N, C): of each image the best-scored go on."""
    start = x.shape[1] - 1
    for i, block in enumerate(net.blocks):
        if i in net.prune_at:
            stage = net.prune_at.index(i)
            score = predict(net.score_predictor[stage], x[:, 1:], torch.ones(len(x), x.shape[1] - 1)).log_softmax(-1)[..., 0]
            best = score.argsort(dim=1, descending=True)[:, : max(int(start * RATES[stage]), 1)]
            x = torch.stack([torch.cat((own[:1], own[1:][rows])) for own, rows in zip(x, best, strict=True)])
        x = run_block(block, x)
    return net.norm(x)[:, 0]


def in_training(
    net: MSDyViT, x: torch.Tensor, uniform: list[torch.Tensor], to_itself: bool
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The class token, and the policies (B, N), for noise that is given (section 3.3 of the paper)."""
    policy, policies = torch.ones(len(x), x.shape[1] - 1), []
    for i, block in enumerate(net.blocks):
        if i in net.prune_at:
            logits = predict(net.score_predictor[len(policies)], x[:, 1:], policy)
            # two Gumbel variables differ by a logistic one
            logits = logits + torch.stack((torch.logit(uniform[len(policies)]), torch.zeros(policy.shape)), dim=-1)
            soft = logits.softmax(-1)[..., 0]
            policy = policy * ((soft > 0.5).float() + soft - soft.detach())
            policies.append(policy)
        x = run_block(block, x, policy if policies else None, to_itself)
    return net.norm(x)[:, 0], policies


@torch.no_grad()
def test_all_fine_is_dynamicvit(dyvit, layout, images, assert_relative):
    net = dyvit(layout=layout)
    ours = net(images)[0]
    net.layout = 'masked'
    assert_relative(ours, at_test(net, net.tokenize(images).x[:, [0, *range(COARSE + 1, COARSE + 65)]]))
    assert net.forward_tokens(images).counts.tolist() == [int(64 * RATES[2])] * 3


@torch.no_grad()
def test_every_image_of_a_mixed_batch_is_pruned_as_dynamicvit_would(dyvit, layout, images, assert_relative):
    net = dyvit()
    mask = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(2)) < torch.tensor([0, 0.5, 1])[:, None, None]
    expected = [at_test(net, net.tokenize(images[i, None], mask[i, None]).x) for i in range(3)]
    net.layout = layout
    assert_relative(net(images, fine_mask=mask)[0], torch.cat(expected))
    assert net.forward_tokens(images, mask).counts.tolist()[::2] == [5, 21]


def test_training_is_dynamicvits_with_all_gradients(dyvit, layout, images, assert_relative):
    net = dyvit(train_layout=layout, ratio_weight=3.0).train()
    torch.manual_seed(5)
    tokens = net.forward_tokens(images)
    ours, losses = net.class_feature(tokens), net.pop_gate_losses()
    target, trained = torch.linspace(-1, 1, 32), list(net.parameters())
    gradients = torch.autograd.grad((ours * target).sum() + losses['loss_keep_ratio'], trained)

    torch.manual_seed(5)
    uniform = [torch.rand(3, COARSE + 64)[:, COARSE:] for _ in range(3)]
    net.train_layout = 'packed'
    x = net.tokenize(images).x.reshape(3, -1, 32)
    assert_relative(ours, in_training(net, x, uniform, to_itself=True)[0])
    # that dropped tokens attend to themselves shows in the policies' gradient alone
    expected, policies = in_training(net, x, uniform, to_itself=False)
    assert_relative(ours, expected)
    assert torch.equal(tokens.index.candidate_weight()[:, COARSE:], policies[-1].detach().round())
    assert 0 < policies[-1].sum() < policies[0].sum() < policies[0].numel()
    # the public loss: sum over stages of mean over images of (kept share - ratio)², by the number of stages
    ratio = 3.0 * sum((policy.mean(1) - rate).square().mean() for policy, rate in zip(policies, RATES, strict=True)) / 3
    torch.testing.assert_close(losses['loss_keep_ratio'], ratio)
    torch.testing.assert_close(losses['kept_tokens'], policies[-1].detach().sum(1).mean())

    expected = torch.autograd.grad((expected * target).sum() + ratio, trained)
    largest = max(gradient.abs().max() for gradient in expected)
    for own, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-3, atol=1e-5 * largest.item())


def test_the_layouts_train_on_the_same_decisions(dyvit, images, assert_relative):
    net = dyvit(gate=GATE).train()
    mask = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(2)) > 0.5
    results = {}
    for net.train_layout in ('masked', 'trimmed', 'packed'):
        torch.manual_seed(0)
        tokens = net.forward_tokens(images, mask)
        losses = net.pop_gate_losses()
        results[net.train_layout] = tokens, losses
        policy = tokens.index.candidate_weight()
        assert ((policy == 0) | (policy == 1)).all()
        assert not (policy.bool() & ~net.grid(images).active(mask)).any()
        assert torch.equal(tokens.counts, net.grid(images).active(mask).sum(1))
        _, masked_losses = results['masked']
        assert_relative(net.class_feature(tokens), net.class_feature(results['masked'][0]))
        assert torch.equal(policy, results['masked'][0].index.candidate_weight())
        assert losses == masked_losses


def test_shares_are_of_the_images_own_tokens(dyvit, images):
    """And of the whole batch if so wanted."""
    net = dyvit().train()
    mask = torch.zeros(3, 4, 4, dtype=torch.bool)
    mask[2] = True
    losses = {}
    for net.ratio_of in ('image', 'batch'):
        torch.manual_seed(0)
        tokens = net.forward_tokens(images, mask)
        losses[net.ratio_of] = net.pop_gate_losses()['loss_keep_ratio'].item()
    kept = tokens.index.candidate_weight().sum(1) / torch.tensor([16, 16, 64])
    net.prune_at, net.keep_rate = (0, 1, 3), (1.0, 1.0, kept.mean().item())
    assert 0 < losses['batch'] < losses['image']
    net.score_predictor[0].out_conv[4].bias.data[0] += 100  # all go on
    net.score_predictor[1].out_conv[4].bias.data[0] += 100
    net.score_predictor[2].out_conv[4].bias.data[0] += 100
    net.keep_rate = (1.0, 0.8, 0.5)
    net.forward_tokens(images, mask)
    found = net.pop_gate_losses()
    assert found['loss_keep_ratio'].item() == pytest.approx(2.0 * (0 + 0.2**2 + 0.5**2) / 3)
    assert found['kept_tokens'].item() == 32


def test_an_image_may_lose_all_tokens(dyvit, images, layout):
    net = dyvit(gate=GATE, layout=layout).train()
    net.score_predictor[0].out_conv[4].bias.data[1] += 100
    (net(images)[0].sum() + net.pop_gate_losses()['loss_keep_ratio']).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in net.parameters())
    assert torch.isfinite(net.eval()(images)[0]).all()


def test_fewer_fine_tokens_are_no_smaller_share(dyvit, images, layout):
    """The gate gains nothing in the ratio loss by what it decides: shares are of the tokens that there are."""
    net = dyvit(gate=GATE, layout=layout).train()
    for predictor in net.score_predictor:
        torch.nn.init.zeros_(predictor.out_conv[4].weight)  # the same for all tokens
    net(images)
    net.pop_gate_losses()['loss_keep_ratio'].backward()
    assert all(predictor.out_conv[4].bias.grad.abs().sum() > 0 for predictor in net.score_predictor)
    assert all(not parameter.grad.any() for parameter in net.gate.parameters())


@pytest.mark.parametrize('gate', [None, GATE], ids=['no gate', 'gate'])
def test_a_loss_that_nobody_collects_is_an_error(dyvit, images, gate):
    net = dyvit(gate=gate).train()
    net(images)
    with pytest.raises(RuntimeError, match=r"nobody collected the score predictor's loss.*GateLossHook.*pop_gate_losses"):
        net(images)
    net.pop_gate_losses()
    net(images)
    names = {'loss_keep_ratio', 'kept_tokens'} | ({'fine_share', 'tokens'} if gate else set())
    assert set(net.pop_gate_losses()) == names
    net(images)
    net.eval()(images)
    assert net.pop_gate_losses() == {}
    with torch.no_grad():
        net.train()(images)
    assert net.pop_gate_losses() == {}


def test_an_ordinary_host_collects_the_loss():
    """The hook's way: what any classifier of mmpretrain gives to the optimiser."""
    from msvit.engine.gate_loss_hook import _collecting, find_gated

    backbone = dict(type='msvit.MSDyViT', arch=ARCH, img_size=64, coarse_patch_size=16, prune_at=(1, 2))
    head = dict(type='LinearClsHead', num_classes=5, in_channels=32, loss=dict(type='CrossEntropyLoss'))
    model = MMPRETRAIN_MODELS.build(ConfigDict(type='ImageClassifier', backbone=backbone, head=head)).train()
    features = model.extract_feat(torch.randn(2, 3, 64, 64))
    parse = _collecting(model.parse_losses, find_gated(model))
    total, log = parse(dict(loss=features[0].sum()))
    assert {'loss', 'loss_keep_ratio', 'kept_tokens'} <= set(log)
    total.backward()
    assert all(parameter.grad is not None for parameter in model.backbone.parameters())


def test_shares_of_the_initial_tokens_may_be_given(dyvit, images):
    assert dyvit(keep_rate=0.5).keep_rates() == (0.5, 0.25, 0.125)
    net = dyvit(keep_rate=(0.9, 0.5, 0.5))
    assert net.keep_rates() == (0.9, 0.5, 0.5)
    assert net.forward_tokens(images).counts.tolist() == [32] * 3
    with pytest.raises(ValueError, match='cannot grow again'):
        dyvit(keep_rate=(0.5, 0.9, 0.3))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(ratio_weight=-1), 'ratio_weight must not be negative, got -1'),
        (dict(ratio_of='token'), "unknown ratio_of 'token': choose one of 'image', 'batch'"),
    ],
)
def test_options_out_of_range(dyvit, options, message):
    with pytest.raises(ValueError, match=message):
        dyvit(**options)


def test_public_checkpoints_fit(dyvit):
    """DynamicViT's own names: those of timm, a classifier, and of each predictor five layers with weights."""
    net = dyvit()
    state = {name: torch.randn_like(value) for name, value in net.state_dict().items()}
    state.update({'head.weight': torch.zeros(5, 32), 'head.bias': torch.zeros(5)})
    expected = {f'score_predictor.{stage}.{layer}.{part}' for stage in range(3) for part in ('weight', 'bias')
                for layer in ('in_conv.0', 'in_conv.1', 'out_conv.0', 'out_conv.2', 'out_conv.4')}  # fmt: skip
    assert {name for name in state if name.startswith('score_predictor')} == expected
    load_vit(net, state)
    assert torch.equal(net.score_predictor[2].out_conv[4].bias, state['score_predictor.2.out_conv.4.bias'])

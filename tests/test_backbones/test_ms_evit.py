"""MSEViT against EViT as its paper describes it, in plain torch on rectangular batches."""

import math

import pytest
import torch

from msvit.attention import class_attention
from msvit.backbones import MSEViT
from msvit.tokens import TokenGrid, build_index

ARCH = dict(embed_dim=32, depth=4, num_heads=2, patch_size=8)


@pytest.fixture
def evit(perturb):
    def build(arch=None, **options):
        torch.manual_seed(0)
        options = {'img_size': 64, 'coarse_patch_size': 16, 'prune_at': (0, 1, 3), **options}
        return perturb(MSEViT({**ARCH, **(arch or {})}, **options)).eval()

    return build


def by_hand(net: MSEViT, x: torch.Tensor, rate: float, fuse: bool = True) -> torch.Tensor:
    """The class token of EViT's encoder on tokens (B, P + N, C) (section 3 of its paper)."""
    prefix = net.num_prefix_tokens
    for i, block in enumerate(net.blocks):
        batch, length, width = x.shape
        attn = block.attn
        q, k, v = attn.qkv(block.norm1(x)).reshape(batch, length, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
        matrix = (attn.q_norm(q) @ attn.k_norm(k).mT * attn.scale).softmax(-1)
        x = x + block.ls1(attn.proj((matrix @ v).transpose(1, 2).reshape(batch, length, width)))
        if i in net.prune_at:
            tokens, score = x[:, prefix:], matrix[:, :, 0, prefix:].mean(1)
            keep = math.ceil(rate * (length - prefix))
            order = score.argsort(dim=1, descending=True)
            parts = [x[:, :prefix], torch.stack([own[rows] for own, rows in zip(tokens, order[:, :keep], strict=True)])]
            if fuse and keep < length - prefix:
                rest = zip(tokens, score, order[:, keep:], strict=True)
                parts.append(torch.stack([weight[rows] @ own[rows] for own, weight, rows in rest])[:, None])
            x = torch.cat(parts, dim=1)
        x = x + block.ls2(block.mlp(block.norm2(x)))
    return net.norm(x)[:, 0]


@pytest.mark.parametrize('arch', [{}, dict(qk_norm=True, init_values=0.5, reg_tokens=2)], ids=['plain', 'norms'])
@pytest.mark.parametrize('fuse', [True, False])
@pytest.mark.parametrize('rate', [0.7, 0.3, 0.01])
def test_all_fine_is_evit_with_all_its_gradients(evit, layout, arch, fuse, rate, assert_relative):
    net = evit(arch, keep_rate=rate, fuse_inattentive=fuse, layout=layout)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    target = torch.linspace(-1, 1, 32)
    trained = list(net.parameters())
    (ours,) = net(images)
    gradients = torch.autograd.grad((ours * target).sum(), trained)
    net.layout = 'packed'
    x = net.tokenize(images).x
    expected = by_hand(net, x.reshape(2, -1, 32), rate, fuse)
    assert_relative(ours, expected)
    expected = torch.autograd.grad((expected * target).sum(), trained)
    largest = max(gradient.abs().max() for gradient in expected)
    for own, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(own, wanted, rtol=1e-3, atol=1e-5 * largest.item())


@torch.no_grad()
def test_every_image_of_a_mixed_batch_is_pruned_as_evit_would(evit, layout, assert_relative):
    net = evit(keep_rate=0.6)
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(5, 3, 64, 64, generator=generator)
    mask = torch.rand(5, 4, 4, generator=generator) < torch.tensor([0, 0.2, 0.5, 0.8, 1])[:, None, None]
    expected = [by_hand(net, net.tokenize(images[i, None], mask[i, None]).x, 0.6) for i in range(5)]
    net.layout = layout
    assert_relative(net(images, fine_mask=mask)[0], torch.cat(expected))
    # 16 coarse tokens: ceil(9.6) + 1, ceil(6.6) + 1, ceil(4.8) + 1; and so on from 64 fine ones
    counts = net.forward_tokens(images, mask).counts.tolist()
    assert (counts[0], counts[-1]) == (6, 16)


def test_class_attention_counts_what_attention_counts():
    """Weights of keys, prefix tokens in the sum, absent tokens at 0; in any layout."""
    grid = TokenGrid(16, 16, 4, 8)
    generator = torch.Generator().manual_seed(0)
    mask = torch.tensor([[[1, 0], [0, 1]], [[0, 0], [0, 1]]]).bool()
    active = grid.active(mask)
    policy = active & (torch.rand(active.shape, generator=generator) > 0.3)
    rows = torch.randn(2, 20, 3 * 2 * 4, generator=generator)
    prefix = torch.randn(2, 24, generator=generator)
    everything = torch.cat((prefix.expand(2, -1, -1), rows), dim=1).unflatten(-1, (3, 2, 4))
    z = torch.einsum('bhd,bnhd->bhn', everything[:, 0, 0], everything[:, :, 1]).div(2).exp()
    z = z * torch.cat((torch.ones(2, 2), policy.float()), dim=1)[:, None]
    expected = (z / z.sum(-1, keepdim=True)).mean(1)[:, 2:]
    for layout in ('masked', 'trimmed', 'packed'):
        index = build_index(layout, grid, mask, num_prefix=2)
        qkv = index.memory.assemble(prefix, index.memory.select(rows)).unflatten(-1, (3, 2, 4))
        torch.testing.assert_close(class_attention(qkv, index.weighted(policy.float())), expected)


def test_the_gate_learns_from_the_fused_token(evit, layout):
    """What a token weighs decides its share of the new token too."""
    gate = dict(type='msvit.MLPGate', hidden_dims=(4,), init_p_fine=0.5)
    net = evit(gate=gate, prune_at=(3,), layout=layout, out_type='tokens', keep_rate=0.5).train()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    gradients = []
    for net.fuse_inattentive in (True, False):
        torch.manual_seed(0)
        tokens = net(images)[0]
        (tokens.tokens() * torch.linspace(-1, 1, 32)).sum().backward()
        gradients.append(net.gate.mlp[0].weight.grad.clone())
        net.zero_grad()
    assert torch.isfinite(gradients[0]).all()
    assert not torch.allclose(*gradients)

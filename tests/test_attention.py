"""Equation 15: forward, backward, masked entries too, against its plain form with an explicit mask."""

import pytest
import torch
import torch.nn.functional as F
from timm.layers import Attention
from torch import Tensor, nn

from msvit.attention import attend, fused, merge_heads, project, weighted_attention
from msvit.reference import masked_attention as reference
from msvit.tokens import Segments, TokenGrid, TokenIndex, build_index


def attention(q: Tensor, k: Tensor, v: Tensor, *options) -> Tensor:
    return weighted_attention(torch.stack((q, k, v), dim=2), *options)


def draw(batch: int = 2, heads: int = 3, length: int = 7, width: int = 4, dtype=torch.float64, scale: float = 1.0):
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, batch, length, heads, width, generator=generator, dtype=dtype) * scale
    return [tensor.clone().requires_grad_() for tensor in (q, k, v)]


WEIGHTS = {
    'all present': [1.0, 1, 1, 1, 1, 1, 1],
    'some absent': [1.0, 0, 1, 1, 0, 0, 1],
    'one present': [0.0, 0, 0, 1, 0, 0, 0],
    'cell counts': [4.0, 0, 1, 2, 4, 1, 0],
    'relaxed': [0.3, 0.7, 0, 1, 0.01, 2.5, 1],
}
weights = pytest.mark.parametrize('row', WEIGHTS.values(), ids=WEIGHTS.keys())


def weight_of(row: list[float], dtype=torch.float64) -> Tensor:
    return torch.tensor([row, row[::-1]], dtype=dtype).requires_grad_()


@weights
def test_the_reference_passes_numerical_differentiation(row):
    assert torch.autograd.gradcheck(reference, (*draw(), weight_of(row)))


@weights
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_forward_and_backward_are_the_reference(row, dtype, tolerance, assert_relative):
    exact = [*draw(scale=0.7), weight_of(row)]  # no absent key reaches the limit of the gradient
    inputs = [tensor.detach().to(dtype).requires_grad_() for tensor in exact]
    upstream = torch.randn(2, 7, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected, actual = reference(*exact), attention(*inputs)
    assert actual.dtype == dtype
    assert_relative(actual.double(), expected, tolerance)
    expected_grads = torch.autograd.grad(expected, exact, upstream)
    grads = torch.autograd.grad(actual, inputs, upstream.to(dtype))
    scale = max(grad.abs().max() for grad in expected_grads)
    for name, grad, wanted in zip('qkvw', grads, expected_grads, strict=True):
        error = (grad.double() - wanted).abs().max() / max(wanted.abs().max(), 1e-6 * scale)
        assert error < tolerance, (name, error)


@weights
def test_weights_that_nothing_trains_give_the_same(row, assert_relative):
    q, k, v = draw(dtype=torch.float32)
    weight = weight_of(row, torch.float32)
    trained = attention(q, k, v, weight)
    plain = attention(q, k, v, weight.detach())
    assert_relative(plain, trained)
    with torch.no_grad():
        assert_relative(attention(q, k, v, weight), trained)
    upstream = torch.randn_like(trained)
    grads = zip(
        torch.autograd.grad(plain, (q, k, v), upstream), torch.autograd.grad(trained, (q, k, v), upstream), strict=True
    )
    for ours, theirs in grads:
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_no_weight_is_plain_attention(assert_relative):
    q, k, v = draw(dtype=torch.float32)
    assert_relative(attention(q, k, v), reference(q, k, v, torch.ones(2, 7)))


@pytest.mark.parametrize('query', [0, 3])
def test_the_closed_formula(query):
    """dy_q / dw_i = z_qi (v_i - y_q) / sum_p w_p z_qp, at absent keys too."""
    q, k, v = draw(batch=1, heads=1)
    weight = torch.tensor([WEIGHTS['some absent']], dtype=torch.float64).requires_grad_()
    y = attention(q, k, v, weight)[0, query, 0]
    z = (q[0, query, 0] @ k[0, :, 0].T / 2).exp()
    expected = z[:, None] * (v[0, :, 0] - y) / (weight[0] * z).sum()
    for channel in range(4):
        (gradient,) = torch.autograd.grad(y[channel], weight, retain_graph=True)
        torch.testing.assert_close(gradient[0], expected[:, channel])
        assert (gradient[0][weight[0] == 0].abs() > 1e-6).all()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_large_scores_stay_finite(dtype):
    q, k, v = draw(width=4, dtype=dtype)
    with torch.no_grad():
        q *= 400 / torch.einsum('bqhd,bkhd->bhqk', q, k).abs().max()  # scores up to 200 after the division by sqrt(4)
    weight = weight_of(WEIGHTS['some absent'], dtype)
    y = attention(q, k, v, weight)
    y.sum().backward()
    expected = reference(*(tensor.detach().double() for tensor in (q, k, v, weight)))
    torch.testing.assert_close(y.double(), expected, atol=1e-3, rtol=1e-3)
    assert all(torch.isfinite(tensor.grad).all() for tensor in (q, k, v, weight))


def test_an_overwhelming_absent_key_stays_out_and_its_gradient_within_limits():
    q, k, v = torch.ones(1, 2, 1, 4), torch.zeros(1, 2, 1, 4), torch.tensor([[[[1.0] * 4], [[100.0] * 4]]])
    k[0, 1] = 100  # a score of 200 for the absent key
    weight = torch.tensor([[1.0, 0.0]], requires_grad=True)
    y = attention(q, k, v, weight)
    assert torch.equal(y, torch.ones(1, 2, 1, 4))
    y.sum().backward()
    channels_and_queries, limit = 8, torch.tensor(3.0).exp()
    torch.testing.assert_close(weight.grad, torch.tensor([[0.0, channels_and_queries * limit * (100 - 1)]]))


@pytest.mark.parametrize('row', [WEIGHTS['some absent'], WEIGHTS['cell counts']])
def test_bfloat16(row):
    exact = [*draw(), weight_of(row)]
    inputs = [tensor.detach().bfloat16().requires_grad_() for tensor in exact[:3]] + [weight_of(row, torch.float32)]
    upstream = torch.randn(2, 7, 3, 4, dtype=torch.float64)
    actual, expected = attention(*inputs), reference(*exact)
    assert actual.dtype == torch.bfloat16
    torch.testing.assert_close(actual.double(), expected, atol=0.05, rtol=0.05)
    grads = torch.autograd.grad(actual, inputs, upstream.bfloat16())
    wanted = torch.autograd.grad(expected, exact, upstream)
    assert [grad.dtype for grad in grads] == [tensor.dtype for tensor in inputs]
    for ours, theirs in zip(grads, wanted, strict=True):
        assert (ours.double() - theirs).abs().max() < 0.05 * theirs.abs().max()


def test_a_second_derivative_is_refused_aloud():
    q, k, v = draw()
    y = attention(q, k, v, weight_of(WEIGHTS['relaxed']))
    (grad,) = torch.autograd.grad(y.square().sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        grad.sum().backward()


@pytest.mark.parametrize('weighted', [False, True])
def test_a_packed_row_keeps_images_apart(weighted, assert_relative):
    lengths = [3, 1, 5]
    q, k, v = draw(batch=1, length=9, dtype=torch.float32)
    weight = torch.tensor([[1.0, 4, 0, 1, 2, 0, 1, 1, 4]]).requires_grad_() if weighted else None
    packed = attention(q, k, v, weight, Segments(lengths, torch.tensor([0, 3, 4, 9], dtype=torch.int32)))
    parts = []
    for start, length in zip((0, 3, 4), lengths, strict=True):
        part = slice(start, start + length)
        own = torch.ones(1, length) if weight is None else weight[:, part]
        parts.append(reference(q[:, part], k[:, part], v[:, part], own))
    assert_relative(packed, torch.cat(parts, dim=1))


LENGTHS = [3, 1, 5]


def packed_row(device: str = 'cpu', dtype=torch.float32):
    row = draw(batch=1, length=9, width=16, dtype=dtype)
    bias = torch.tensor([[0.5, 4, 1, 1, 2, 1, 1, 1, 4]]).log()
    segments = Segments(LENGTHS, torch.tensor([0, 3, 4, 9], dtype=torch.int32, device=device))
    return *(x.detach().to(device) for x in row), bias.to(device), segments


@pytest.mark.parametrize('biased', [False, True])
def test_padding_side_by_side_equals_one_by_one(biased, assert_relative):
    *row, bias, segments = packed_row()
    bias = bias if biased else None
    assert_relative(fused._padded(*row, bias, segments), fused._one_by_one(*row, bias, segments))


@pytest.mark.parametrize('biased', [False, True])
def test_images_of_one_length_run_as_a_batch(biased, assert_relative):
    *row, bias, _ = packed_row()
    segments = Segments([3, 3, 3], torch.tensor([0, 3, 6, 9], dtype=torch.int32))
    bias = bias if biased else None
    assert_relative(fused.fused_attention(*row, bias, segments), fused._one_by_one(*row, bias, segments))


def test_a_bias_rides_in_extra_features(assert_relative):
    q, k, v, bias, _ = packed_row()
    expected = fused.fused_attention(q, k, v, bias)
    wide = fused.bias_as_features(q, k, v, bias, scale=16**-0.5)
    y = F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in wide), scale=16**-0.5).transpose(1, 2)
    assert_relative(y[..., :16], expected)
    assert not y[..., 16:].any()


def test_a_bias_of_half_precision_is_not_rounded():
    q = torch.zeros(1, 3, 1, 8, dtype=torch.bfloat16)
    bias = torch.tensor([[4.0, 3.0, 1.0]]).log()
    wide_q, wide_k, _ = fused.bias_as_features(q, q, q, bias, scale=8**-0.5)
    scores = torch.einsum('bqhd,bkhd->bk', wide_q[:, :1].float(), wide_k.float()) * 8**-0.5
    torch.testing.assert_close(scores, bias, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_an_absent_key_rides_in_features_too(dtype):
    q, k, v = torch.randn(3, 1, 5, 2, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    bias = torch.tensor([[0.0, 0.0, -torch.inf, 0.0, -torch.inf]])
    wide = fused.bias_as_features(q, k, v, bias, scale=16**-0.5)
    y = F.scaled_dot_product_attention(*(x.transpose(1, 2).float() for x in wide), scale=16**-0.5).transpose(1, 2)
    present = [0, 1, 3]
    expected = F.scaled_dot_product_attention(
        q.transpose(1, 2).float(), *(x[:, present].transpose(1, 2).float() for x in (k, v))
    )
    torch.testing.assert_close(y[..., :16], expected.transpose(1, 2), atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize('biased', [False, True])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_kernels_of_the_gpu_agree_with_the_cpu(biased, dtype):
    *row, bias, segments = packed_row()
    expected = fused.fused_attention(*row, bias if biased else None, segments)
    *row, bias, segments = packed_row('cuda')
    actual = fused.fused_attention(*(x.to(dtype) for x in row), bias if biased else None, segments)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    torch.testing.assert_close(actual.float().cpu(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.gpu
@pytest.mark.skipif(fused.varlen_attn is None, reason='torch has no attention of variable length')
@pytest.mark.parametrize('biased', [False, True])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_the_kernel_of_variable_length_equals_padding(biased, dtype):
    lengths = [401, 587, 762, 17]
    offsets = torch.tensor([0, *lengths], device='cuda').cumsum(0).int()
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 1, sum(lengths), 6, 64, generator=generator).to('cuda', dtype)
    bias = torch.rand(1, sum(lengths), generator=generator).mul(4).log().cuda() if biased else None
    row = q, k, v, bias, Segments(lengths, offsets)
    actual, expected = fused._variable_length(fused.varlen_attn, *row), fused._padded(*row)
    assert actual.dtype == dtype
    torch.testing.assert_close(actual.float(), expected.float(), atol=2e-2, rtol=2e-2)


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_gradients_of_present_weights_on_the_gpu(dtype):
    *row, bias, segments = packed_row()
    exact = [*(x.double().requires_grad_() for x in row), bias.exp().double().requires_grad_()]
    attention(*exact, segments, LENGTHS).square().sum().backward()
    *row, bias, segments = packed_row('cuda')
    inputs = [*(x.to(dtype).requires_grad_() for x in row), bias.exp().requires_grad_()]
    attention(*inputs, segments, LENGTHS).float().square().sum().backward()
    tolerance = 1e-4 if dtype == torch.float32 else 5e-2
    for ours, wanted in zip(inputs, exact, strict=True):
        assert (ours.grad.cpu().double() - wanted.grad).abs().max() < tolerance * wanted.grad.abs().max()


@pytest.mark.parametrize(
    'options', [{}, dict(qk_norm=True, norm_layer=nn.LayerNorm), dict(qkv_bias=True), dict(proj_bias=False)]
)
def test_with_every_token_present_this_is_timms_attention(options, layout, perturb, assert_relative):
    torch.manual_seed(0)
    timms = perturb(Attention(32, num_heads=4, **options))

    def ours(x: Tensor, index: TokenIndex | None = None) -> Tensor:
        return merge_heads(timms, attend(project(timms, x), index), x)

    grid = TokenGrid(16, 16, 8, 16)
    index = build_index(layout, grid, torch.ones(2, 1, 1, dtype=torch.bool), num_prefix=1)
    x = index.memory.assemble(torch.randn(1, 32), index.memory.select(torch.randn(2, 5, 32)))
    prefix, tokens = index.memory.split(ours(x, index))
    fine = tokens.reshape(2, -1, 32)[:, -4:]
    plain = torch.cat((index.memory.split(x)[0], index.memory.split(x)[1].reshape(2, -1, 32)[:, -4:]), dim=1)
    assert_relative(torch.cat((prefix, fine), dim=1), timms(plain))
    assert torch.equal(ours(plain), timms(plain))  # without an index
    with torch.autocast('cpu', torch.bfloat16):
        assert_relative(ours(x, index).float(), ours(x.double().float(), index).float())


@pytest.mark.parametrize('present', [[7, 7], [7, 4], [1, 3]])
@pytest.mark.parametrize('count', [1.0, 4.0])
def test_knowing_which_tokens_lead_changes_no_gradient(present, count):
    """Trimmed layouts: the outputs of absent tokens are not read."""
    inputs = [x.detach().requires_grad_() for x in draw()]
    row = torch.arange(7)
    weight = torch.stack([count * (row < n) for n in present]).double().requires_grad_()
    read = (row < torch.tensor(present)[:, None]).double()[..., None, None]
    upstream = torch.randn(2, 7, 3, 4, dtype=torch.float64) * read
    for segments in (None, Segments([7, 7], torch.tensor([0, 7, 14], dtype=torch.int32))):
        tensors = [x if segments is None else x.flatten(0, 1).unsqueeze(0) for x in (*inputs, weight)]
        grads = [
            torch.autograd.grad(attention(*tensors, segments, known), (*inputs, weight), upstream.view_as(tensors[0]))
            for known in (None, present)
        ]
        for ours, expected in zip(*grads, strict=True):
            torch.testing.assert_close(ours, expected)


PAIRS = {'shared': 1, 'each its own': 2}


@weights
@pytest.mark.parametrize('count', PAIRS.values(), ids=PAIRS.keys())
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_a_bias_of_pairs_forward_and_backward(row, count, dtype, tolerance, assert_relative):
    bias = torch.randn(count, 3, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 0.5
    exact = [*draw(scale=0.7), weight_of(row), bias.requires_grad_()]
    inputs = [tensor.detach().to(dtype).requires_grad_() for tensor in exact]
    upstream = torch.randn(2, 7, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected, actual = reference(*exact), attention(*inputs[:4], None, None, inputs[4])
    assert actual.dtype == dtype
    assert_relative(actual.double(), expected, tolerance)
    wanted = torch.autograd.grad(expected, exact, upstream)
    scale = max(grad.abs().max() for grad in wanted)
    for tensors in (inputs, [*inputs[:3], inputs[3].detach(), inputs[4]]):  # weights that train, and that do not
        y = attention(*tensors[:4], None, None, tensors[4])
        trained = [x for x in tensors if x.requires_grad]
        grads = dict(zip([id(x) for x in trained], torch.autograd.grad(y, trained, upstream.to(dtype)), strict=True))
        for name, x, grad in zip('qkvwb', tensors, wanted, strict=True):
            if x.requires_grad:
                error = (grads[id(x)].double() - grad).abs().max() / max(grad.abs().max(), 1e-6 * scale)
                assert error < tolerance, (name, error)


def test_a_bias_of_pairs_passes_numerical_differentiation():
    inputs = [*draw(), weight_of(WEIGHTS['relaxed']).detach().clamp_min(0.1).requires_grad_()]
    bias = torch.randn(1, 3, 7, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda q, k, v, w, b: attention(q, k, v, w, None, None, b), (*inputs, bias))


@pytest.mark.parametrize('count', PAIRS.values(), ids=PAIRS.keys())
def test_some_windows_at_a_time_give_the_same_gradients(count, monkeypatch):
    inputs = [*draw(batch=2), weight_of(WEIGHTS['some absent'])]
    bias = torch.randn(count, 3, 7, 7, dtype=torch.float64, requires_grad=True)
    grads = []
    for scores in (2**18, 1):
        monkeypatch.setattr('msvit.attention.weighted._CPU_SCORES', scores)
        y = attention(*inputs, None, None, bias)
        grads.append(torch.autograd.grad(y.square().sum(), (*inputs, bias)))
    for ours, wanted in zip(*grads, strict=True):
        torch.testing.assert_close(ours, wanted)


def test_a_bias_of_pairs_in_half_precision():
    q, k, v = (x.detach().bfloat16() for x in draw())
    bias, weight = torch.randn(1, 3, 7, 7), weight_of(WEIGHTS['some absent'], torch.float32).detach()
    y = attention(q, k, v, weight, None, None, bias)
    assert y.dtype == torch.bfloat16
    exact = reference(*(x.double() for x in (q, k, v, weight, bias)))
    torch.testing.assert_close(y.double(), exact, atol=0.03, rtol=0.03)


def test_a_bias_of_pairs_without_sequences():
    """A batch in which no window runs."""
    q, k, v = (torch.zeros(0, 7, 3, 4, requires_grad=True) for _ in range(3))
    bias = torch.randn(1, 3, 7, 7, requires_grad=True)
    weight = torch.ones(0, 7, requires_grad=True)
    for given in (None, weight):
        y = attention(q, k, v, given, None, None, bias)
        assert y.shape == (0, 7, 3, 4)
        (grad,) = torch.autograd.grad(y.sum(), bias)
        assert not grad.any()


def test_a_bias_of_pairs_does_not_go_with_packed_rows():
    q, k, v = draw(batch=1)
    with pytest.raises(ValueError, match='give neither segments nor lengths'):
        attention(q, k, v, None, Segments([3, 4], torch.tensor([0, 3, 7])), None, torch.zeros(1, 3, 7, 7))


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_a_bias_of_pairs_on_the_gpu(dtype):
    exact = [*draw(), weight_of(WEIGHTS['some absent']), torch.randn(1, 3, 7, 7, dtype=torch.float64, requires_grad=True)]
    expected = attention(*exact[:4], None, None, exact[4])
    inputs = [x.detach().to('cuda', dtype if i < 3 else torch.float32).requires_grad_() for i, x in enumerate(exact)]
    actual = attention(*inputs[:4], None, None, inputs[4])
    tolerance = 1e-4 if dtype == torch.float32 else 5e-2
    torch.testing.assert_close(actual.double().cpu(), expected, atol=tolerance, rtol=tolerance)
    wanted = torch.autograd.grad(expected.square().sum(), exact)
    for ours, grad in zip(torch.autograd.grad(actual.double().square().sum(), inputs), wanted, strict=True):
        assert (ours.cpu().double() - grad).abs().max() < tolerance * grad.abs().max()

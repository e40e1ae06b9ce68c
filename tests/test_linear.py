"""Linear layers by either matrix library."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from timm.layers import Mlp
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from msvit import matrix_library
from msvit.linear import GeluMlp, Linear, adopt_linears, linear, linear_gelu

SHAPES = [(1, 600, 384, 1536), (3, 7, 256, 64), (1, 1, 8, 4)]  # batch, rows, in, out
needs_onednn = pytest.mark.skipif(not matrix_library.onednn_is_possible(), reason='oneDNN serves x86 CPUs')


@pytest.fixture(autouse=True)
def chosen_anew():
    """Each test decides for itself which library multiplies, whatever the process decided before it."""
    forget_choice()
    yield
    forget_choice()


def forget_choice():
    for decided in (matrix_library._uses_onednn, matrix_library.onednn_lead):
        decided.cache_clear()


class Operators(TorchDispatchMode):
    """Names of the operators that ran."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def draw(batch: int, rows: int, width_in: int, width_out: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(*s, generator=generator) for s in ((batch, rows, width_in), (width_out, width_in), (width_out,)))


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('with_bias', [True, False])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_equals_torch(shape, with_bias, dtype, assert_relative):
    x, weight, bias = (tensor.to(dtype) for tensor in draw(*shape))
    bias = bias if with_bias else None
    actual, expected = linear(x, weight, bias), F.linear(x, weight, bias)
    assert actual.dtype == dtype
    assert_relative(actual, expected)


@pytest.mark.parametrize('rows', [150, 151, 600])
def test_equals_torch_on_views(rows, assert_relative):
    x, weight, bias = draw(2, 1200, 384, 384)
    view, turned = x[:, 5 : 5 + 2 * rows : 2], weight.t().contiguous().t()
    assert_relative(linear(view, turned, bias), F.linear(view, weight, bias))


@needs_onednn
@pytest.mark.parametrize(
    ('shape', 'context', 'served'),
    [
        (SHAPES[0], torch.no_grad, True),
        (SHAPES[0], torch.inference_mode, True),
        (SHAPES[0], torch.enable_grad, False),
        (SHAPES[0], lambda: torch.backends.mkldnn.flags(enabled=False), False),
        (SHAPES[2], torch.no_grad, False),
    ],
    ids=['no_grad', 'inference_mode', 'training', 'switched off', 'too small'],
)
@pytest.mark.filterwarnings('ignore:TF32 acceleration:UserWarning')
def test_who_serves(shape, context, served, monkeypatch):
    monkeypatch.setenv(matrix_library.VARIABLE, matrix_library.ONEDNN)
    matrix_library._uses_onednn.cache_clear()
    layer = Linear(shape[2], shape[3])
    with context(), torch.set_grad_enabled(context is torch.enable_grad), Operators() as ran:
        layer(torch.randn(shape[:3]))
    assert any('mkldnn' in name for name in ran.names) == served


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('needed', ['xwb', 'wb', 'x', 'w'])
def test_gradients_are_torchs(shape, needed, assert_relative):
    inputs = [tensor.requires_grad_(name in needed) for name, tensor in zip('xwb', draw(*shape), strict=True)]
    upstream = torch.randn(*shape[:2], shape[3])
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    grads = torch.autograd.grad(linear(*inputs), wanted, upstream)
    for ours, theirs in zip(grads, torch.autograd.grad(F.linear(*inputs), wanted, upstream), strict=True):
        assert_relative(ours, theirs)


def test_second_derivatives_are_torchs(assert_relative):
    x, weight, bias = (tensor.requires_grad_() for tensor in draw(*SHAPES[0]))

    def penalty(function) -> torch.Tensor:
        (grad,) = torch.autograd.grad(function(x, weight, bias).square().mean(), x, create_graph=True)
        return torch.autograd.grad(grad.square().sum(), weight)[0]

    assert_relative(penalty(linear), penalty(F.linear))


@pytest.mark.filterwarnings('ignore:There is a performance drop:UserWarning')
def test_gradients_of_each_sample(assert_relative):
    x, weight, bias = draw(2, 200, 512, 256)

    def grads(function) -> torch.Tensor:
        return torch.func.vmap(torch.func.grad(lambda w, one: function(one, w, bias).square().mean()), (None, 0))(weight, x)

    assert_relative(grads(linear), grads(F.linear))


def test_autocast_takes_half_precision():
    with torch.no_grad(), torch.autocast('cpu', dtype=torch.bfloat16):
        assert Linear(512, 512)(torch.randn(200, 512)).dtype == torch.bfloat16


@pytest.mark.parametrize('shape', SHAPES)
def test_operations_are_counted(shape):
    layer = Linear(shape[2], shape[3])
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer(torch.randn(shape[:3]))
    assert counter.get_total_flops() == 2 * shape[0] * shape[1] * shape[2] * shape[3]


@needs_onednn
def test_operations_of_the_timing_are_not_counted(monkeypatch):
    monkeypatch.delenv(matrix_library.VARIABLE, raising=False)
    layer = Linear(512, 512)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        layer(torch.randn(200, 512))
    assert matrix_library.onednn_lead.cache_info().misses == 1
    assert counter.get_total_flops() == 2 * 200 * 512 * 512


def test_exporters_see_an_ordinary_linear_layer():
    with torch.no_grad():
        graph = torch.export.export(Linear(512, 512).eval(), (torch.randn(200, 512),)).graph
    assert [str(node.target) for node in graph.nodes if node.op == 'call_function'] == ['aten.linear.default']


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('shape', SHAPES)
def test_gelu_in_one_pass(shape, training, assert_relative):
    x, weight, bias = (tensor.requires_grad_(training) for tensor in draw(*shape))
    assert_relative(linear_gelu(x, weight, bias), F.gelu(F.linear(x, weight, bias)))


@pytest.mark.parametrize(
    ('options', 'kind'),
    [
        ({}, GeluMlp),
        (dict(norm_layer=nn.LayerNorm, bias=False), GeluMlp),
        (dict(act_layer=partial(nn.GELU, approximate='tanh')), Mlp),
        (dict(act_layer=nn.ReLU), Mlp),
        (dict(use_conv=True), Mlp),
    ],
)
def test_timms_mlp_is_adopted_where_it_is_gelus(options, kind, perturb, assert_relative):
    net = perturb(nn.Sequential(Mlp(64, 256, **options), nn.Identity())).eval()
    before, parameters = copy.deepcopy(net), dict(net.named_parameters())
    x = torch.randn(2, 64, 20, 30) if options.get('use_conv') else torch.randn(2, 600, 64)
    adopt_linears(net)
    assert type(net[0]) is kind
    assert all(parameter is parameters[name] for name, parameter in net.named_parameters())
    assert list(net.state_dict()) == list(before.state_dict())
    with torch.no_grad():
        assert_relative(net(x), before(x))


def test_adoption_keeps_parameters_and_names():
    class Special(nn.Linear):
        pass

    net = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Sequential(Special(8, 8), nn.Linear(8, 2, bias=False)))
    before, parameters, x = copy.deepcopy(net), dict(net.named_parameters()), torch.randn(3, 4)
    adopt_linears(net)
    assert [type(layer) for layer in (net[0], net[2][0], net[2][1])] == [Linear, Special, Linear]
    assert all(parameter is parameters[name] for name, parameter in net.named_parameters())
    assert list(net.state_dict()) == list(before.state_dict())
    torch.testing.assert_close(copy.deepcopy(net)(x), before(x))


@needs_onednn
@pytest.mark.parametrize('gelu', [False, True])
def test_the_faster_library_is_timed_once(gelu, monkeypatch):
    """oneDNN serves where it leads clearly, and the answer stays what it was."""
    monkeypatch.setenv(matrix_library.VARIABLE, 'auto')
    leads = dict.fromkeys((False, True), 1.0)
    asked = []
    monkeypatch.setattr(matrix_library, 'onednn_lead', lambda case: asked.append(case) or leads[case.many])
    leads[True] = 1.2
    matrix_library._uses_onednn.cache_clear()
    few, many = matrix_library.FEW_ROWS, matrix_library.MANY_ROWS
    assert [matrix_library.uses_onednn(rows, gelu) for rows in (few, many, few, many)] == [False, True, False, True]
    assert [(case.many, case.gelu) for case in asked] == [(False, gelu), (True, gelu)]


@needs_onednn
def test_the_lead_is_a_ratio_of_times(monkeypatch):
    assert 0.1 < matrix_library.onednn_lead(matrix_library.Case(many=False, gelu=True)) < 10
    monkeypatch.setenv(matrix_library.VARIABLE, 'auto')
    said = matrix_library.describe()
    assert said.startswith(torch.backends.cpu.get_cpu_capability())
    assert '139 rows with GELU' in said


@pytest.mark.parametrize('choice', ['torch', 'onednn'])
def test_the_library_can_be_set_by_hand(choice, monkeypatch):
    if choice == 'onednn' and not matrix_library.onednn_is_possible():
        pytest.skip('oneDNN serves x86 CPUs')
    monkeypatch.setenv(matrix_library.VARIABLE, choice)
    matrix_library._uses_onednn.cache_clear()
    assert matrix_library.uses_onednn(200, gelu=True) == (choice == 'onednn')
    assert f'by {choice}' in matrix_library.describe()


def test_an_unknown_library_is_refused(monkeypatch):
    monkeypatch.setenv(matrix_library.VARIABLE, 'blas')
    matrix_library._uses_onednn.cache_clear()
    with pytest.raises(ValueError, match="MSVIT_MATRIX_LIBRARY must be one of auto, torch, onednn, got 'blas'"):
        matrix_library.uses_onednn(200, gelu=False)
    monkeypatch.setenv(matrix_library.VARIABLE, 'onednn')
    monkeypatch.setattr(matrix_library, 'onednn_is_possible', lambda: False)
    with pytest.raises(ValueError, match='torch has no oneDNN for this CPU'):
        matrix_library.uses_onednn(200, gelu=False)

"""Mixed precision on CPUs: products in bfloat16, weights, gradients and the gate's decisions in float32."""

import pytest
import torch

from msvit.engine import CPUAutocastOptimWrapper
from msvit.gates import ContextGate
from msvit.registry import OPTIM_WRAPPERS


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(8, 4)


def wrapper_of(model: torch.nn.Module, **kwargs) -> CPUAutocastOptimWrapper:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return OPTIM_WRAPPERS.build(dict(type='msvit.CPUAutocastOptimWrapper', optimizer=optimizer, **kwargs))


def test_forward_passes_are_in_bfloat16_and_weights_stay(model):
    wrapper, before = wrapper_of(model), model.weight.detach().clone()
    inputs = torch.randn(2, 8)
    with wrapper.optim_context(model):
        out = model(inputs)
        assert torch.is_autocast_enabled('cpu') and out.dtype == torch.bfloat16
    assert not torch.is_autocast_enabled('cpu')
    wrapper.update_params(out.float().square().mean())
    assert model.weight.dtype == torch.float32 and not torch.equal(model.weight, before)
    with torch.no_grad():
        torch.testing.assert_close(out.float(), inputs @ before.T + model.bias, atol=0.1, rtol=0.1)


def test_it_ends_with_an_error_too(model):
    with pytest.raises(KeyError), wrapper_of(model).optim_context(model):
        raise KeyError
    assert not torch.is_autocast_enabled('cpu')


def test_steps_are_accumulated(model):
    wrapper, before = wrapper_of(model, accumulative_counts=2), model.weight.detach().clone()
    for moves in (False, True):
        with wrapper.optim_context(model):
            loss = model(torch.ones(2, 8)).float().square().mean()
        wrapper.update_params(loss)
        assert torch.equal(model.weight, before) != moves


def test_decisions_do_not_depend_on_it(model):
    gate, images = ContextGate(16, width=8).eval(), torch.randn(2, 3, 32, 32)
    expected = gate(images).p_fine
    with wrapper_of(model).optim_context(model):
        assert torch.equal(gate(images).p_fine, expected)

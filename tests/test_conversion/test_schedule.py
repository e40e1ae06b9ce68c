"""How long a conversion trains, and at which rate."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS

from msvit.conversion.schedule import default_iters, warm_up_and_decay


@pytest.mark.parametrize(
    ('images', 'batch_size', 'iters'), [(8, 2, 200), (367, 8, 229), (3200, 16, 1000), (3210, 32, 502), (1_281_167, 1024, 4000)]
)
def test_five_epochs_within_limits(images, batch_size, iters):
    assert default_iters(images, batch_size) == iters


@pytest.mark.parametrize('iters', [1, 5, 30, 1000])
def test_the_rate_rises_at_once_and_falls_to_nothing(iters):
    optimizer = dict(optimizer=dict(type='SGD', lr=1.0))
    wrapper = build_optim_wrapper(torch.nn.Linear(1, 1), optimizer)
    schedulers = [PARAM_SCHEDULERS.build(dict(settings, optimizer=wrapper)) for settings in warm_up_and_decay(iters)]
    rates = []
    for _ in range(iters):
        rates.append(wrapper.get_lr()['lr'][0])
        wrapper.step()
        for scheduler in schedulers:
            scheduler.step()
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[top] == pytest.approx(1, abs=0.05) and top <= min(50, iters // 10)
    assert iters == 1 or rates[-1] < 0.3

"""Peak memory, counted tensor by tensor."""

import torch

from msvit.analysis.memory import PeakMemory

KILO = torch.zeros(256)  # 1024 bytes


def test_what_lives_at_once_counts():
    with PeakMemory() as memory:
        first = KILO + 1
        second = first + 1
        del first
        third = second.view(2, 128) + 1  # the first one's memory is free again
    assert memory.peak == 2 * 1024
    assert third.shape == (2, 128)


def test_what_lived_before_and_views_do_not_count():
    with PeakMemory() as memory:
        KILO.view(16, 16).t()[3]
        KILO.add_(0)
    assert memory.peak == 0


def test_what_the_backward_pass_keeps_counts():
    weight = torch.zeros(256, requires_grad=True)
    with PeakMemory() as memory:
        y = (weight.exp().exp()).exp()
    assert memory.peak == 3 * 1024
    del y

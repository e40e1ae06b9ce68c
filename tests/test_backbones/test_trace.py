"""Listening to token counts."""

import torch

from msvit.backbones import TokenTrace


def test_a_trace_hears_evaluation_and_not_training(tiny_msvit):
    net, images = tiny_msvit(), torch.zeros(2, 3, 32, 48)
    trace = TokenTrace()
    mask = torch.tensor([[[1, 0, 0], [0, 0, 0]], [[1, 1, 1], [1, 1, 1]]]).bool()
    net(images, fine_mask=mask)
    net.train()(images)
    (heard,) = trace.drain()
    assert heard.backbone is net
    assert heard.grid == net.grid(images)
    assert heard.counts.tolist() == [9, 24]
    assert trace.drain() == []


def test_traces_are_independent_and_bounded(tiny_msvit):
    net, images = tiny_msvit(), torch.zeros(1, 3, 32, 32)
    first, second = TokenTrace(), TokenTrace(capacity=2)
    for _ in range(3):
        net(images)
    assert len(first.drain()) == 3
    assert len(second.drain()) == 2
    net(images)
    assert len(first.drain()) == len(second.drain()) == 1

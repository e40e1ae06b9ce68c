"""A training step: forward, backward and update, the gate and its loss included."""

from collections.abc import Callable, Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...backbones import MSViT
from ...gates import MLPGate
from ...tokens import Layout
from ..training_time import measure_steps
from .models import ARCH, PATCH, REGION, plain_vit
from .row import Row, Setting

SIZE, BATCH, CLASSES = 224, 8, 1000
REGIONS, DENSE = (SIZE // REGION) ** 2, (SIZE // PATCH) ** 2
LAYOUTS: tuple[Layout, ...] = ('packed', 'trimmed', 'masked')
# Mean tokens of 196 in the paper's Table 5 (every step draws anew), and the speed-up asked for.
ASKED = {147: dict(packed=1 / 0.77, trimmed=1 / 0.84), 117: {}}


def training_rows(setting: Setting) -> Iterator[Row]:
    """MSViT-S in its three layouts against plain ViT-S, both with a linear classifier, under SGD: Table 5."""
    for tokens, asked in ASKED.items():
        yield from _rows_at(setting, tokens, asked)


def _rows_at(setting: Setting, tokens: int, asked: dict[str, float]) -> Iterator[Row]:
    fine_share = (tokens - REGIONS) / (3 * REGIONS)
    images = setting.images(BATCH, 3, SIZE, SIZE)
    labels = torch.arange(BATCH, device=setting.device)

    def step_of(net: nn.Module, features: Callable[[], Tensor], gate_losses: Callable[[], dict[str, Tensor]]) -> Callable:
        head = setting.place(nn.Linear(cast(int, net.embed_dim), CLASSES))
        optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=1e-5, momentum=0.9)

        def step(number: int) -> float | Tensor:
            loss, left = F.cross_entropy(head(features()).float(), labels), gate_losses()
            loss = loss + sum(value for name, value in left.items() if 'loss' in name)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return left.get('tokens', DENSE)

        return step

    def mixed_step(layout: Layout) -> Callable[[int], float | Tensor]:
        torch.manual_seed(0)  # the same gate
        net = setting.place(_mixed(layout, fine_share))
        net.train()
        return step_of(net, lambda: net(images)[0], net.pop_gate_losses)

    dense = setting.place(plain_vit(SIZE)).train()
    steps = dict(dense=step_of(dense, lambda: dense.forward_features(images)[:, 0], dict))
    steps.update({layout: mixed_step(layout) for layout in LAYOUTS})
    costs = measure_steps(steps, setting.slow_rounds)
    times = {name: cost.seconds['median'] for name, cost in costs.items()}
    for layout in LAYOUTS:
        memory = costs[layout].peak_bytes / costs['dense'].peak_bytes
        yield Row(
            f'training step, batch of {BATCH}, {costs[layout].tokens:.0f} of {DENSE} tokens, {layout}',
            'plain ViT-S',
            (times[layout], times['dense']),
            None,
            asked.get(layout),
            f'{times[layout] / times["dense"]:.2f}x the time, {memory:.2f}x the memory',
        )


def _mixed(layout: Layout, fine_share: float) -> MSViT:
    gate = dict(type='msvit.MLPGate', init_p_fine=fine_share)
    loss = dict(type='msvit.GBaSLoss', target=fine_share)
    net = MSViT(ARCH, gate=gate, gate_loss=loss, layout=layout, out_type='cls_token')
    nn.init.zeros_(cast(MLPGate, net.gate).last_layer.weight)  # every region is fine with the same probability
    return net

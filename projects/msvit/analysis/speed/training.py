"""A training step: forward, backward and update, the gate and its loss included."""

from collections.abc import Callable, Iterator
from itertools import count

import torch
import torch.nn.functional as F
from torch import nn

from ...backbones import MSViT
from ..latency import interleaved_medians
from ..memory import peak_memory
from .models import plain_vit
from .row import Row, Setting

SIZE, BATCH, CLASSES = 224, 8, 1000
REGIONS = (SIZE // 32) ** 2
LAYOUTS = ('packed', 'trimmed', 'masked')
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
    counts: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}

    def step_of(net: nn.Module, features: Callable[[], torch.Tensor], gate_loss: Callable[[], torch.Tensor]) -> Callable:
        head = setting.place(nn.Linear(net.embed_dim, CLASSES))
        optimizer = torch.optim.SGD([*net.parameters(), *head.parameters()], lr=1e-5, momentum=0.9)
        seeds = count()

        def step() -> None:
            torch.manual_seed(next(seeds))  # all layouts see the same draws
            loss = F.cross_entropy(head(features()).float(), labels) + gate_loss()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return step

    def mixed_step(layout: str) -> Callable[[], None]:
        torch.manual_seed(0)  # the same gate
        net = setting.place(_mixed(layout, fine_share)).train()

        def gate_loss() -> torch.Tensor:
            left = net.pop_gate_losses()
            counts[layout].append(left['tokens'].item())
            return sum(value for name, value in left.items() if 'loss' in name)

        return step_of(net, lambda: net(images)[0], gate_loss)

    dense = setting.place(plain_vit(SIZE)).train()
    runs = dict(dense=step_of(dense, lambda: dense.forward_features(images)[:, 0], lambda: torch.zeros(())))
    runs.update({layout: mixed_step(layout) for layout in LAYOUTS})
    times = interleaved_medians(runs, setting.slow_rounds, warm_up=1)
    peaks = {name: peak_memory(run) for name, run in runs.items()}
    for layout in LAYOUTS:
        mean = sum(counts[layout]) / len(counts[layout])
        yield Row(
            f'training step, batch of {BATCH}, {mean:.0f} of 196 tokens, {layout}',
            'plain ViT-S',
            (times[layout], times['dense']),
            None,
            asked.get(layout),
            f'{times[layout] / times["dense"]:.2f}x the time, {peaks[layout] / peaks["dense"]:.2f}x the memory',
        )


def _mixed(layout: str, fine_share: float) -> MSViT:
    gate = dict(type='msvit.MLPGate', init_p_fine=fine_share)
    loss = dict(type='msvit.GBaSLoss', target=fine_share)
    net = MSViT('vit_small_patch16_224', gate=gate, gate_loss=loss, layout=layout, out_type='cls_token')
    nn.init.zeros_(net.gate.mlp[-1].weight)  # every region is fine with the same probability
    return net

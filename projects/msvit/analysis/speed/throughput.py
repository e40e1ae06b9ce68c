"""Images per second and peak memory by batch size, ragged batches, and the fastest way to launch a single image."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import cast

import torch
from torch import nn

from ...backbones import MSViT
from ...graphs import capture_graphs
from ..macs import count_macs
from ..memory import peak_memory
from .models import fine_masks, mixed_segmenter, mixed_vit, mmseg_segmenter, peers_of, plain_vit
from .row import Row, Setting

TOKENS = {512: 586, 224: 139}  # of an image, by its side in pixels
ASKED = {1: 1.3, 32: 1.8}  # of MSSeg-S at 512 px against its dense twin, by batch size
GRAPHS = ', CUDA graphs'
RAGGED = [400, 451, 502, 553, 604, 655, 706, 760]  # tokens of each image of the batch group
PADDED = 'padded to the longest, masked'

Ways = Mapping[str, nn.Module]  # one model by how its blocks are launched


def batch_rows(setting: Setting) -> Iterator[Row]:
    """Measure packed execution of a ragged batch against padding to the longest with a key mask."""
    name = f'MSViT-S, batch of {len(RAGGED)}, {min(RAGGED)} to {max(RAGGED)} tokens, packed'
    packed, padded = (partial(call, net) for net, call in _ragged(setting, 512, RAGGED))
    measured = setting.measure({name: packed, PADDED: padded}, slow=True)
    with torch.inference_mode():
        memory = peak_memory(packed) / peak_memory(padded)
    yield measured.row(name, PADDED, 1.4, f'peak memory {memory:.2f}x')


def throughput_rows(setting: Setting) -> Iterator[Row]:
    """Measure MSViT-S and MSSeg-S against dense models, merging, pruning and padding, at every batch size."""
    for size in setting.sizes:
        yield from _vit_rows(setting, size, TOKENS[size])
        yield from _segmenter_rows(setting, size, TOKENS[size])
        yield from _ragged_rows(setting, size, TOKENS[size])


def _vit_rows(setting: Setting, size: int, tokens: int) -> Iterator[Row]:
    name, ours, timms = f'MSViT-S, {size} px, {tokens} tokens', f"ViT-S on this project's blocks, {size} px", "timm's ViT-S"
    mixed, dense = setting.place(mixed_vit(size, tokens)), setting.place(mixed_vit(size))
    peers = {timms: setting.place(plain_vit(size)), **peers_of(mixed, size, setting)[1]}
    models = {name: _ways(mixed, setting), ours: _ways(dense, setting), **{peer: {'': net} for peer, net in peers.items()}}
    for batch in setting.batches:
        images = setting.images(batch, 3, size, size)
        measured = _Measured(setting, batch, models, lambda net, images=images: net(images))
        yield from measured.against(name, ours)
        for peer in peers:
            yield measured.row(name, peer, asked=None if peer == timms else 1.0)


def _segmenter_rows(setting: Setting, size: int, tokens: int) -> Iterator[Row]:
    name, ours = f'MSSeg-S, {size} px, {tokens} tokens', f"Seg-S on this project's blocks, {size} px"
    theirs = "mmseg's Segmenter-S"
    mixed, dense = setting.place(mixed_segmenter(size, tokens)), setting.place(mixed_segmenter(size))
    models = {name: _ways(mixed, setting), ours: _ways(dense, setting), theirs: {'': setting.place(mmseg_segmenter(size))}}
    for batch in setting.batches:
        images = setting.images(batch, 3, size, size)
        measured = _Measured(setting, batch, models, lambda net, images=images: net(images, mode='tensor'))
        yield from measured.against(name, ours, ASKED.get(batch) if size == 512 else None)
        yield measured.row(name, theirs)


def _ragged_rows(setting: Setting, size: int, tokens: int) -> Iterator[Row]:
    """Batches whose images have up to a third more or fewer tokens than on average: packed against padded."""
    for batch in setting.batches:
        if batch == 1:
            continue
        spread = torch.linspace(-tokens / 9, tokens / 9, batch).round().int() * 3
        name = f'MSViT-S, {size} px, ragged, {tokens} tokens on average, packed'
        (packed, call), (padded, _) = _ragged(setting, size, (spread + tokens).tolist())
        measured = _Measured(setting, batch, {name: {'': packed}, PADDED: {'': padded}}, call)
        # torch may not count its kernel of variable length
        yield measured.row(name, PADDED)._replace(macs=None)


def _ragged(setting: Setting, size: int, tokens: Sequence[int]) -> Iterator[tuple[nn.Module, Callable[[nn.Module], object]]]:
    """The packed and the padded net, each with how it runs on images of so many tokens each."""
    images, masks = setting.images(len(tokens), 3, size, size), fine_masks(size, list(tokens)).to(setting.device)
    for layout in ('packed', 'trimmed'):
        yield setting.place(mixed_vit(size, layout=layout)), lambda net: net(images, fine_mask=masks)


def _ways(model: nn.Module, setting: Setting) -> Ways:
    """The model as it is, and on a GPU by CUDA graphs, of compiled blocks too; compiled blocks alone launch no faster."""
    ways = {'': model}
    for compiled in (False, True) if setting.device.type == 'cuda' else ():
        twin = deepcopy(model)
        if compiled:
            cast(MSViT, getattr(twin, 'backbone', twin)).compile_blocks()
        ways[(', compiled' if compiled else '') + GRAPHS] = capture_graphs(twin)
    return ways


class _Measured:
    """Times and memory of models at one batch size, each by several ways, in turns.

    Args:
        setting: where and how long to measure.
        batch: images of a call.
        models: each by its ways.
        call: how a model runs.
    """

    def __init__(self, setting: Setting, batch: int, models: Mapping[str, Ways], call: Callable[[nn.Module], object]):
        runs = {(name, way): partial(call, net) for name, ways in models.items() for way, net in ways.items()}
        self.batch, self.seconds = batch, setting.time(runs)
        self.macs = {name: count_macs(run) for (name, way), run in runs.items() if not way}
        with torch.inference_mode():  # a graph's memory stays allocated, so no call has a peak of its own
            self.memory = {key: peak_memory(run, setting.device) for key, run in runs.items() if GRAPHS not in key[1]}

    def fastest(self, name: str) -> str:
        """The way that took the least time."""
        return min((way for model, way in self.seconds if model == name), key=lambda way: self.seconds[name, way])

    def against(self, name: str, baseline: str, asked: float | None = None) -> Iterator[Row]:
        """Rows of two models by each way, then each by its fastest, which is what is asked for."""
        ways = [way for model, way in self.seconds if model == name]
        best, their_best = self.fastest(name), self.fastest(baseline)
        for way in ways:
            yield self.row(name, baseline, way, way, asked if best == their_best == way else None)
        if len(ways) > 1 and best != their_best:
            yield self.row(name, baseline, best, their_best, asked)

    def row(self, name: str, baseline: str, way: str = '', their_way: str = '', asked: float | None = None) -> Row:
        this, that = (name, way), (baseline, their_way)
        return Row(
            f'{name}, batch of {self.batch}{way}',
            baseline + their_way,
            (self.seconds[this], self.seconds[that]),
            self.macs[baseline] / self.macs[name],
            asked,
            'the fastest way' if way and way == self.fastest(name) else '',
            self.batch,
            (self.memory[this], self.memory[that]) if this in self.memory and that in self.memory else None,
        )

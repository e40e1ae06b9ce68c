"""Images per second and peak memory by batch size, and the fastest way to launch a single image."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from itertools import product

import torch
from torch import nn

from ...backbones import MSDyViT, MSEViT
from ...linear import adopt_linears
from ..macs import count_macs
from ..memory import peak_memory
from ..peers import peers_at_macs
from .models import ARCH, PATCH, fine_masks, mixed_segmenter, mixed_vit, mmseg_segmenter, plain_vit
from .row import Row, Setting

TOKENS = {512: 586, 224: 139}  # of an image, by its side in pixels
ASKED = {1: 1.3, 32: 1.8}  # of MSSeg-S at 512 px against its dense twin, by batch size
GRAPHS = ', CUDA graphs'

Run = Callable[[], object]


def throughput_rows(setting: Setting) -> Iterator[Row]:
    """MSViT-S and MSSeg-S against dense models, token merging, token pruning and padding, at every batch size."""
    for size in setting.sizes:
        yield from _vit_rows(setting, size, TOKENS[size])
        yield from _segmenter_rows(setting, size, TOKENS[size])
        yield from _ragged_rows(setting, size, TOKENS[size])


def _vit_rows(setting: Setting, size: int, tokens: int) -> Iterator[Row]:
    mixed, dense = setting.place(mixed_vit(size, tokens)), setting.place(mixed_vit(size))
    timms = setting.place(plain_vit(size))
    peers = _peers(setting, mixed, size)
    mixed, dense = _ways(mixed, setting), _ways(dense, setting)
    name, ours = f'MSViT-S, {size} px, {tokens} tokens', f"ViT-S on this project's blocks, {size} px"
    for batch in setting.batches:
        images = setting.images(batch, 3, size, size)
        measured = _Measured(setting, batch)
        measured.add(name, mixed, lambda net, images=images: net(images))
        measured.add(ours, dense, lambda net, images=images: net(images))
        measured.add("timm's ViT-S", {'': timms}, lambda net, images=images: net(images))
        for peer, net in peers.items():
            measured.add(peer, {'': net}, lambda net, images=images: net(images))
        measured.finish()
        yield from measured.against(name, ours)
        for baseline in ("timm's ViT-S", *peers):
            yield measured.row(name, baseline, asked=None if baseline.startswith('timm') else 1.0)


def _segmenter_rows(setting: Setting, size: int, tokens: int) -> Iterator[Row]:
    models = mixed_segmenter(size, tokens), mixed_segmenter(size), mmseg_segmenter(size)
    mixed, dense, theirs = map(setting.place, models)
    mixed, dense = _ways(mixed, setting), _ways(dense, setting)
    name, ours = f'MSSeg-S, {size} px, {tokens} tokens', f"Seg-S on this project's blocks, {size} px"
    for batch in setting.batches:
        images = setting.images(batch, 3, size, size)
        measured = _Measured(setting, batch)
        for model, ways in ((name, mixed), (ours, dense), ("mmseg's Segmenter-S", {'': theirs})):
            measured.add(model, ways, lambda net, images=images: net(images, mode='tensor'))
        measured.finish()
        yield from measured.against(name, ours, ASKED.get(batch) if size == 512 else None)
        yield measured.row(name, "mmseg's Segmenter-S")


def _ragged_rows(setting: Setting, size: int, tokens: int) -> Iterator[Row]:
    """Batches whose images have up to a third more or fewer tokens than on average: packed against padded."""
    nets = {layout: setting.place(mixed_vit(size, layout=layout)) for layout in ('packed', 'trimmed')}
    for batch in setting.batches:
        if batch == 1:
            continue
        spread = torch.linspace(-tokens / 9, tokens / 9, batch).round().int() * 3
        masks = fine_masks(size, (spread + tokens).tolist()).to(setting.device)
        images = setting.images(batch, 3, size, size)
        name, padded = f'MSViT-S, {size} px, ragged, {tokens} tokens on average, packed', 'padded to the longest, masked'
        measured = _Measured(setting, batch)
        for model, layout in ((name, 'packed'), (padded, 'trimmed')):
            measured.add(model, {'': nets[layout]}, lambda net, images=images, masks=masks: net(images, fine_mask=masks))
        measured.finish()
        # torch may not count its kernel of variable length
        yield replace(measured.row(name, padded), macs=None)


def _peers(setting: Setting, mixed: nn.Module, size: int) -> dict[str, nn.Module]:
    """Token merging and pruning on the same weights at the MACs of the mixed net."""
    dense, image = setting.place(plain_vit(size)), setting.images(1, 3, size, size)
    dense.load_state_dict(mixed.state_dict(), strict=False)
    adopt_linears(dense)  # the same matrix products for all
    hosts = {}
    for name, kind in dict(EViT=MSEViT, DynamicViT=MSDyViT).items():
        hosts[name] = setting.place(kind(ARCH, img_size=size, out_type='tokens')).eval()
        hosts[name].load_state_dict(mixed.state_dict(), strict=False)
    peers = peers_at_macs(dense, hosts, image, (size // PATCH) ** 2, count_macs(lambda: mixed(image)))
    return {', '.join(names): peer for names, peer in peers.items()}


def _ways(model: nn.Module, setting: Setting) -> dict[str, nn.Module]:
    """The model as it is, and by other ways to launch its blocks; on a CPU graphs are padded blocks, and none compile."""
    ways = {'': model}
    for compiled, graphs in product((False, True) if setting.device.type == 'cuda' else (False,), (False, True)):
        if not (compiled or graphs):
            continue
        twin = deepcopy(model)
        backbone = getattr(twin, 'backbone', twin)
        if compiled:
            backbone.compile_blocks()
        if graphs:
            backbone.capture_graphs()
        ways[(', compiled' if compiled else '') + (GRAPHS if graphs else '')] = twin
    return ways


class _Measured:
    """Times and memory of models at one batch size, each by several ways.

    Args:
        setting: where and how long to measure.
        batch: images of a call; graphs are for one.
    """

    def __init__(self, setting: Setting, batch: int):
        self.setting, self.batch = setting, batch
        self.runs: dict[tuple[str, str], Run] = {}

    def add(self, name: str, ways: Mapping[str, nn.Module], run: Callable[[nn.Module], object]) -> None:
        """A model that is to be measured."""
        for way, net in ways.items():
            if self.batch == 1 or GRAPHS not in way:
                self.runs[name, way] = lambda net=net: run(net)

    def finish(self) -> None:
        """Measure all that was added, in turns."""
        names = {f'{name}{way}': run for (name, way), run in self.runs.items()}
        times = self.setting.time(names)
        self.seconds = {key: times[''.join(key)] for key in self.runs}
        plain = {name: run for (name, way), run in self.runs.items() if not way}
        self.macs = {name: count_macs(run) for name, run in plain.items()}
        with torch.inference_mode():  # a graph's memory stays allocated, so no call has a peak of its own
            device = self.setting.device
            self.memory = {key: peak_memory(run, device) for key, run in self.runs.items() if GRAPHS not in key[1]}

    def fastest(self, name: str) -> str:
        """The way that took the least time."""
        return min((way for model, way in self.runs if model == name), key=lambda way: self.seconds[name, way])

    def against(self, name: str, baseline: str, asked: float | None = None) -> Iterator[Row]:
        """Rows of two models by each way, then each by its fastest, which is what is asked for."""
        ways = [way for model, way in self.runs if model == name]
        best, their_best = self.fastest(name), self.fastest(baseline)
        for way in ways:
            yield self.row(name, baseline, way, way, asked if best == their_best == way else None)
        if len(ways) > 1 and best != their_best:
            yield self.row(name, baseline, best, their_best, asked)

    def row(self, name: str, baseline: str, way: str = '', their_way: str = '', asked: float | None = None) -> Row:
        this, that = (name, way), (baseline, their_way)
        note = 'the fastest way' if way and way == self.fastest(name) else ''
        memory = (self.memory[this], self.memory[that]) if this in self.memory and that in self.memory else None
        return Row(
            f'{name}, batch of {self.batch}{way}',
            baseline + their_way,
            (self.seconds[this], self.seconds[that]),
            self.macs[baseline] / self.macs[name],
            asked,
            note,
            self.batch,
            memory,
        )

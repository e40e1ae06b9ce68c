"""What each way to spend fewer tokens costs, and how far its output drifts from that of the dense ViT."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from ...backbones import TokenTrace
from ...gates import BaseGate, LearnedGate, RadialGate, RandomGate, SaliencyGate
from ..latency import interleaved_medians
from ..samples import Sample
from .matched import peers_at_macs
from .nets import Features, HostWeights, MergingViT
from .tome import ToMe, tome_macs

DENSE, MIXED = 'dense', 'mixed'
UNTRAINED_GATES: dict[str, Callable[..., BaseGate]] = dict(saliency=SaliencyGate, radial=RadialGate, random=RandomGate)
BATCH_VALUES, MAX_BATCH = 2**22, 32
TIMED_IMAGES = 8


@dataclass
class Result:
    """Of one method at one operating point.

    Args:
        method: ``'dense'``, ``'mixed'`` (the trained gate), ``'ToMe'``, ``'EViT'``, ``'DynamicViT'``, or an untrained gate.
        point: which operating point of the trained gate it matches in cost; None: the dense ViT.
        settings: of the method, one for each image size.
        gmacs: of each image, in 1e9; gate, embedding and blocks.
        tokens: of each image at the first block, without prefix tokens.
        distances: relative L2 distance of each image's feature from the dense one.
        cosines: between the two.
        agrees: whether each image gets the class that the dense ViT gives; empty where there is no class.
        right: whether it gets its label; empty without labels.
        seconds: median time of one image, by batch size.
    """

    method: str
    point: int | None
    settings: list[str] = field(default_factory=list)
    gmacs: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    cosines: list[float] = field(default_factory=list)
    agrees: list[bool] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)

    def mean(self, name: str) -> float | None:
        """The mean over images of one of the lists; None where that is empty."""
        values = getattr(self, name)
        return float(np.mean(values)) if values else None


@dataclass(frozen=True)
class Comparison:
    """All results.

    Args:
        results: dense first, then operating point by operating point.
        images: how many were compared.
        timed_shape: (height, width) of the images that were timed: the size that most of them have.
    """

    results: list[Result]
    images: int
    timed_shape: tuple[int, int]


def operating_gates(gate: BaseGate | None, thresholds: Sequence[float] | None) -> dict[str, BaseGate]:
    """A trained gate at several thresholds, by words that say which; a gate that knows none, as it is.

    Args:
        gate: of a mixed-scale model.
        thresholds: in [0, 1]; None: the gate's own.

    Raises:
        ValueError: there is no gate, or it knows no threshold.
    """
    if gate is None:
        raise ValueError('the model has no gate: compare a mixed-scale model, and name dense weights beside it')
    if not isinstance(gate, LearnedGate):
        if thresholds:
            raise ValueError(f'a {type(gate).__name__} knows no threshold: leave thresholds out')
        return {type(gate).__name__: gate}
    gates = {}
    for threshold in thresholds or (gate.threshold,):
        twin = deepcopy(gate)
        twin.threshold = threshold
        gates[f'threshold {threshold:g}'] = twin
    return gates


@torch.inference_mode()
def compare_peers(
    weights: HostWeights,
    gates: dict[str, BaseGate],
    samples: Sequence[Sample],
    untrained: Sequence[str] = (),
    batch_size: int = 8,
    rounds: int = 10,
    seed: int = 0,
    progress: Callable[..., Iterable] = lambda items, what, unit: items,
) -> Comparison:
    """Compare on real images; those of one size are matched in cost among themselves.

    Args:
        weights: of all methods, the dense ViT among them.
        gates: of the mixed-scale ViT, see `operating_gates`; each is an operating point.
        samples: at least one.
        untrained: more gates, names of `UNTRAINED_GATES`, each with as many fine regions as the trained one has in the mean.
        batch_size: images of a batch that is timed, beside single images.
        rounds: timed turns.
        seed: of the random gate.
        progress: shows how far the loop over operating points is.
    """
    groups: dict[tuple[int, int], list[Sample]] = {}
    for sample in samples:
        groups.setdefault(tuple(sample.inputs.shape[-2:]), []).append(sample)
    most = max(groups, key=lambda shape: len(groups[shape]))
    bench = _Bench(weights, gates, untrained, seed)
    results: dict[tuple, Result] = {}
    for shape, group in groups.items():
        nets = bench.compare(group, results, progress)
        if shape == most:
            to_time = nets
    _time(to_time, groups[most], results, batch_size, rounds)
    return Comparison(list(results.values()), len(samples), most)


class _Bench:
    """The networks of a comparison."""

    def __init__(self, weights: HostWeights, gates: dict[str, BaseGate], untrained: Sequence[str], seed: int):
        self.weights, self.untrained, self.seed = weights, untrained, seed
        self.dense, self.plain, self.pruning = weights.vit(), weights.plain(), weights.pruning()
        self.mixed = {name: weights.vit(gate) for name, gate in gates.items()}

    def compare(
        self, samples: Sequence[Sample], results: dict[tuple, Result], progress: Callable[..., Iterable]
    ) -> dict[tuple, nn.Module]:
        """Add images of one size to the results; returns the networks, by method and operating point, as the results."""
        first, nets = samples[0].inputs, {(DENSE, None): self.dense}
        baseline = list(self._features(self.dense, samples))
        self._judge(results, (DENSE, None), 'all fine', self.dense, samples, baseline)
        for point, (name, mixed) in enumerate(progress(self.mixed.items(), 'compare', 'point')):
            gmacs, share = self._judge(results, (MIXED, point), name, mixed, samples, baseline)
            nets[MIXED, point] = mixed
            peers = peers_at_macs(self.plain, self.pruning, first, self.dense.grid(first).num_fine, gmacs * 1e9)
            peers = {names: MergingViT(self.dense, net) if isinstance(net, ToMe) else net for names, net in peers.items()}
            for kind in self.untrained:
                options = dict(seed=self.seed) if kind == 'random' else {}
                gate = UNTRAINED_GATES[kind](self.dense.coarse_patch_size, fine_share=share, **options).eval()
                peers[kind, f'fine share {share:.2f}'] = self.weights.vit(gate)
            for (method, setting), net in peers.items():
                self._judge(results, (method, point), setting, net, samples, baseline)
                nets[method, point] = net
        return nets

    def _judge(
        self,
        results: dict[tuple, Result],
        key: tuple[str, int | None],
        setting: str,
        net: nn.Module,
        samples: Sequence[Sample],
        baseline: Sequence[Features],
    ) -> tuple[float, float]:
        """Run a network; returns GMACs of one image and the share of fine regions, means over these images."""
        result = results.setdefault(key, Result(*key))
        if setting not in result.settings:
            result.settings.append(setting)
        trace, before = TokenTrace(), len(result.gmacs)
        batches = zip(_batches(samples), self._features(net, samples), baseline, strict=True)
        for batch, features, dense in batches:
            self._add_drift(result, features, dense)
            if self.weights.classifies:
                classes, expected = self.weights.classes(features), self.weights.classes(dense)
                result.agrees += (classes == expected).tolist()
                labels = [sample.label for sample in batch]
                if None not in labels:
                    result.right += (classes.cpu() == torch.tensor(labels)).tolist()
        if isinstance(net, MergingViT):
            tokens = self.dense.grid(samples[0].inputs).num_fine
            result.gmacs += [tome_macs(self.plain, tokens, net.tome.schedule) / 1e9] * len(samples)
            result.tokens += [tokens] * len(samples)
            return result.gmacs[-1], 1.0
        runs = trace.drain()
        for run in runs:
            result.gmacs += (run.macs().total / 1e9).tolist()
            result.tokens += run.counts.tolist()
        share = torch.cat([run.fine_mask.float().flatten() for run in runs]).mean()
        return float(np.mean(result.gmacs[before:])), float(share)

    def _features(self, net: nn.Module, samples: Sequence[Sample]) -> Iterator[Features]:
        for batch in _batches(samples):
            yield Features.of(net(torch.cat([sample.inputs for sample in batch])))

    def _add_drift(self, result: Result, features: Features, dense: Features) -> None:
        if self.weights.compares_class_token:
            now, before = features.prefix[:, 0], dense.prefix[:, 0]
        else:
            now, before = features.mean, dense.mean
        result.distances += ((now - before).norm(dim=1) / before.norm(dim=1)).tolist()
        result.cosines += torch.cosine_similarity(now, before, dim=1).tolist()


def _batches(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    size = max(1, min(MAX_BATCH, BATCH_VALUES // samples[0].inputs.numel()))
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def _time(
    nets: dict[tuple, nn.Module], samples: Sequence[Sample], results: dict[tuple, Result], batch_size: int, rounds: int
) -> None:
    """Time all networks in turns: on single images, then on a batch."""
    singles = [sample.inputs for sample in samples[:: max(1, len(samples) // TIMED_IMAGES)][:TIMED_IMAGES]]
    batch = torch.cat([samples[i % len(samples)].inputs for i in range(batch_size)])
    names = {' '.join(map(str, key)): key for key in nets}
    for size, inputs in {batch_size: [batch], 1: singles}.items():
        runs = {name: lambda net=nets[key], inputs=inputs: [net(images) for images in inputs] for name, key in names.items()}
        for name, seconds in interleaved_medians(runs, rounds, warm_up=2).items():
            results[names[name]].seconds[size] = seconds / (len(inputs) * size)

"""What each way to spend fewer tokens costs, and how far its output drifts from that of the dense ViT."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import nn

from ...gates import BaseGate, LearnedGate, RadialGate, RandomGate, SaliencyGate
from ..evaluate import evaluate, in_batches
from ..latency import seconds_per_item
from ..samples import Sample
from .matched import peers_at_macs
from .nets import Features, HostWeights, MergingViT
from .tome import ToMe, tome_macs

DENSE, MIXED = 'dense', 'mixed'
UNTRAINED_GATES: dict[str, Callable[..., BaseGate]] = dict(saliency=SaliencyGate, radial=RadialGate, random=RandomGate)
FIGURES = ('tokens', 'gmacs', 'distances', 'cosines', 'agrees', 'right')
BATCH_VALUES, MAX_BATCH = 2**22, 32
TIMED_IMAGES = 8

Key = tuple[str, int | None]  # method and operating point
Batch = tuple[Sequence[Sample], Features]  # images, and what the dense ViT makes of them


class Comparison(NamedTuple):
    """All results.

    Args:
        results: a row for each method at each operating point, dense first: the ``method``, ``'dense'``, ``'mixed'`` (the
            trained gate), ``'ToMe'``, ``'EViT'``, ``'DynamicViT'`` or an untrained gate; the ``point`` of the trained gate
            that it matches in cost, None of the dense ViT; its ``settings``, one for each image size; ``seconds`` of one
            image, median, by batch size; and means over images of `FIGURES`.
        images: a row for each of them and image: its ``number`` among the results and its figures: ``tokens`` at the first
            block, without prefix tokens; ``gmacs`` of gate, embedding and blocks; ``distances`` (relative L2) and ``cosines``
            between its feature and the dense one; ``agrees``, whether it gets the class that the dense ViT gives, NaN where
            there is no class; ``right``, whether it gets its label, NaN without.
        timed_shape: (height, width) of the images that were timed: the size that most of them have.
    """

    results: pd.DataFrame
    images: pd.DataFrame
    timed_shape: tuple[int, int]


def operating_gates(gate: BaseGate | None, thresholds: Sequence[float] | None) -> dict[str, BaseGate]:
    """Give a trained gate several thresholds, by words that say which; a gate that knows none stays as it is.

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
    gates: dict[str, BaseGate] = {}
    for threshold in thresholds or (gate.threshold,):
        twin = deepcopy(gate)
        twin.threshold = threshold
        gates[f'threshold {threshold:g}'] = twin
    return gates


@torch.inference_mode()
def compare_peers(
    weights: HostWeights,
    gates: Mapping[str, BaseGate],
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
        height, width = sample.inputs.shape[-2:]
        groups.setdefault((height, width), []).append(sample)
    most = max(groups, key=lambda shape: len(groups[shape]))
    bench, to_time = _Bench(weights, gates, untrained, seed), {}
    for shape, group in groups.items():
        nets = bench.compare(group, progress)
        to_time = nets if shape == most else to_time
    seconds = _time(to_time, groups[most], batch_size, rounds)
    images = pd.concat(bench.rows, ignore_index=True)
    images['number'] = [list(bench.settings).index(key) for key in images.pop('key')]
    results = pd.DataFrame(
        [dict(method=key[0], settings=settings, seconds=seconds[key]) for key, settings in bench.settings.items()]
    )
    results['point'] = pd.Series([point for _, point in bench.settings], dtype=object)
    means = images.groupby('number')[list(FIGURES)].mean()
    return Comparison(results.join(means), images, most)


class _Bench:
    """The networks of a comparison, and what has been found: settings by method and point, rows of images."""

    def __init__(self, weights: HostWeights, gates: Mapping[str, BaseGate], untrained: Sequence[str], seed: int):
        self.weights, self.untrained, self.seed = weights, untrained, seed
        self.dense, self.plain, self.pruning = weights.vit(), weights.plain(), weights.pruning()
        self.mixed = {name: weights.vit(gate) for name, gate in gates.items()}
        self.settings: dict[Key, list[str]] = {}
        self.rows: list[pd.DataFrame] = []

    def compare(self, samples: Sequence[Sample], progress: Callable[..., Iterable]) -> dict[Key, nn.Module]:
        """Add images of one size; returns the networks by method and operating point."""
        first = samples[0].inputs
        num_tokens = self.dense.grid(first).num_fine
        batch_size = max(1, min(MAX_BATCH, BATCH_VALUES // first.numel()))
        batches = [
            (batch, Features.of(self.dense(torch.cat([sample.inputs for sample in batch]))))
            for batch in in_batches(samples, lambda sample: None, lambda sample: batch_size)
        ]
        nets: dict[Key, nn.Module] = {(DENSE, None): self.dense}
        self._judge({(DENSE, None): ('all fine', self.dense)}, batches)
        for point, (name, mixed) in enumerate(progress(self.mixed.items(), 'compare', 'point')):
            gmacs = self._judge({(MIXED, point): (name, mixed)}, batches).gmacs.mean()
            found = peers_at_macs(self.plain, self.pruning, first, num_tokens, gmacs * 1e9)
            peers: dict[Key, tuple[str, nn.Module]] = {
                (method, point): (setting, MergingViT(self.dense, net) if isinstance(net, ToMe) else net)
                for (method, setting), net in found.items()
            }
            for kind in self.untrained:
                share = float(torch.cat([mixed.decide(one.inputs).fine_mask.flatten() for one in samples]).float().mean())
                options = dict(seed=self.seed) if kind == 'random' else {}
                gate = UNTRAINED_GATES[kind](self.dense.coarse_patch_size, fine_share=share, **options).eval()
                peers[kind, point] = f'fine share {share:.2f}', self.weights.vit(gate)
            self._judge(peers, batches)
            nets |= {(MIXED, point): mixed, **{key: net for key, (_, net) in peers.items()}}
        return nets

    def _judge(self, nets: Mapping[Key, tuple[str, nn.Module]], batches: Sequence[Batch]) -> pd.DataFrame:
        """Run networks, each with its setting in words."""
        for key, (setting, _) in nets.items():
            settings = self.settings.setdefault(key, [])
            settings += [setting] if setting not in settings else []
        self.rows.append(evaluate(batches, {(key,): partial(self._figures, net) for key, (_, net) in nets.items()}, ('key',)))
        return self.rows[-1]

    def _figures(self, net: nn.Module, batch: Batch) -> dict[str, Sequence[Any]]:
        samples, dense = batch
        features = Features.of(net(torch.cat([sample.inputs for sample in samples])))
        if self.weights.compares_class_token:
            now, before = features.prefix[:, 0], dense.prefix[:, 0]
        else:
            now, before = features.mean, dense.mean
        figures: dict[str, Sequence[Any]] = dict(
            distances=((now - before).norm(dim=1) / before.norm(dim=1)).tolist(),
            cosines=torch.cosine_similarity(now, before, dim=1).tolist(),
            agrees=[float('nan')] * len(samples),
            right=[float('nan')] * len(samples),
        )
        if self.weights.classifies:
            classes = self.weights.classes(features)
            labels = [sample.label for sample in samples]
            figures['agrees'] = (classes == self.weights.classes(dense)).float().tolist()
            figures['right'] = [
                float('nan') if label is None else float(one == label) for one, label in zip(classes, labels, strict=True)
            ]
        if isinstance(net, MergingViT):
            tokens = self.dense.grid(samples[0].inputs).num_fine
            figures['tokens'] = [tokens] * len(samples)
            figures['gmacs'] = [tome_macs(self.plain, tokens, net.tome.schedule) / 1e9] * len(samples)
        return figures


def _time(
    nets: Mapping[Key, nn.Module], samples: Sequence[Sample], batch_size: int, rounds: int
) -> dict[Key, dict[int, float]]:
    """Time all networks in turns, on single images and on a batch: median seconds of one image by batch size."""
    singles = [sample.inputs for sample in samples[:: max(1, len(samples) // TIMED_IMAGES)][:TIMED_IMAGES]]
    batch = torch.cat([samples[i % len(samples)].inputs for i in range(batch_size)])
    seconds: dict[Key, dict[int, float]] = {key: {} for key in nets}
    for size, inputs in {batch_size: [batch], 1: singles}.items():
        for key, each in seconds_per_item(nets, inputs, rounds).items():
            seconds[key][size] = each / size
    return seconds

"""Holding an exported file against the model that it came from, on real images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..analysis.latency import seconds_per_item
from ..analysis.model import AnalysedModel, overruled
from ..runtime import OnnxModel
from ..runtime.model import most_fine

# What rounding may do: to scores, relative to the greatest; to labels where the two best scores are so near; to decisions of
# regions so near the threshold.
SCORES, NEAR_TIE, BORDERLINE = 1e-4, 1e-4, 1e-5
# Beside the model's own: every region fine, and a quarter of them.
OTHER_SETTINGS = (dict(threshold=0.0, budget=None), dict(threshold=0.0, budget=0.25))


@dataclass(frozen=True)
class Agreement:
    """How well a file agrees with torch.

    Args:
        images: that were compared, each at its own settings and at one of two others.
        labels: that were compared: pixels of a segmentor, images of a classifier.
        labels_apart: of these, those that differ.
        clear_labels_apart: of these, those whose two best scores differ by 1e-4 or more.
        decisions: of regions.
        decisions_apart: of these, those that differ.
        clear_decisions_apart: of these, those whose p_fine is not within 1e-5 of the threshold.
        score_error: greatest difference of scores, relative to the greatest score of the image.
        seconds: median of an image at the model's own settings, in torch and in ONNX Runtime, in turns.
    """

    images: int
    labels: int
    labels_apart: int
    clear_labels_apart: int
    decisions: int
    decisions_apart: int
    clear_decisions_apart: int
    score_error: float
    seconds: dict[str, float]

    @property
    def is_exact(self) -> bool:
        """Whether the two differ by no more than rounding explains."""
        return not self.clear_labels_apart and not self.clear_decisions_apart and self.score_error <= SCORES

    @property
    def decides_alike(self) -> bool:
        """Whether the decisions differ by no more than rounding explains."""
        return not self.clear_decisions_apart


@torch.inference_mode()
def compare_with_torch(
    model: AnalysedModel, file: OnnxModel, images: Iterable[np.ndarray], timed: int = 10, rounds: int = 5
) -> Agreement:
    """Compare an exported file with its model.

    Args:
        model: on the CPU, with the settings that it was exported with.
        file: exported from it.
        images: (H, W, 3) uint8 RGB, as the network sees them.
        timed: how many of them are timed.
        rounds: of timing.

    Raises:
        ValueError: there is no image.
    """
    counts = np.zeros(6, dtype=np.int64)
    error, kept = 0.0, []
    for number, image in enumerate(images):
        own = dict(threshold=file.info.threshold, budget=file.info.budget)
        others = [OTHER_SETTINGS[number % len(OTHER_SETTINGS)]] if file.info.threshold is not None else []
        inputs = file.normalise(image)
        for settings in (own, *others):
            figures, scores = _compare(model, file, _normalised(file, image), inputs, settings)
            counts += figures
            error = max(error, scores)
        if len(kept) < timed:
            kept.append((image, inputs))
        number_of_images = number + 1
    if not kept:
        raise ValueError('there is no image to compare on')
    labels, labels_apart, clear_labels, decisions, decisions_apart, clear_decisions = counts.tolist()
    return Agreement(
        images=number_of_images,
        labels=labels,
        labels_apart=labels_apart,
        clear_labels_apart=clear_labels,
        decisions=decisions,
        decisions_apart=decisions_apart,
        clear_decisions_apart=clear_decisions,
        score_error=error,
        seconds=_time(model, file, kept, rounds),
    )


def _compare(
    model: AnalysedModel, file: OnnxModel, images: Tensor, inputs: np.ndarray, settings: dict
) -> tuple[np.ndarray, float]:
    """The figures of `Agreement` that are counts, and the error of the scores."""
    theirs = file.run(inputs, **(settings if file.info.threshold is not None else {}))
    decided = torch.from_numpy(theirs['fine_mask'])
    p_fine, fine_mask = _decide(model, images, **settings)
    apart = (decided != fine_mask).sum()
    clear = ((decided != fine_mask) & ((p_fine - settings['threshold']).abs() > BORDERLINE)).sum() if apart else 0
    # the rest is compared on the same tokens
    scores = _scores(model, images, decided)
    labels, margins = _labels(model, scores, images.shape[2:])
    wrong = labels != torch.from_numpy(theirs['labels'])
    figures = wrong.numel(), wrong.sum(), (wrong & (margins >= NEAR_TIE)).sum(), decided.numel(), apart, clear
    difference = (torch.from_numpy(theirs['scores']) - scores).abs().max() / scores.abs().max().clamp_min(1e-12)
    return np.array([int(figure) for figure in figures]), float(difference)


def _decide(
    model: AnalysedModel, images: Tensor, threshold: float | None, budget: int | float | None
) -> tuple[Tensor, Tensor]:
    """The gate's probabilities, and what they decide by the rule that `LearnedGate` states."""
    if model.backbone.gate is None or threshold is None:
        return model.backbone.decide(images)
    p_fine = model.backbone.decide(images).p_fine
    order = p_fine.flatten(1).sort(dim=1, descending=True, stable=True).indices
    best = torch.zeros(order.shape, dtype=torch.bool)
    best.scatter_(1, order[:, : most_fine(order.shape[1], budget)], True)
    return p_fine, (p_fine > threshold) & best.reshape(p_fine.shape)


def _scores(model: AnalysedModel, images: Tensor, fine_mask: Tensor) -> Tensor:
    with overruled(model.backbone, fine_mask):
        return model.forward(images)


def _labels(model: AnalysedModel, scores: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Class indices at the size of the input, and by how much the best score beats the next."""
    if model.segments:
        segmentor: Any = model.model  # its parts are what its config builds
        head = segmentor.decode_head
        scores = F.interpolate(scores, tuple(shape), mode='bilinear', align_corners=head.align_corners)
        if head.out_channels == 1:
            share = scores[:, 0].sigmoid()
            return (share > head.threshold).long(), (share - head.threshold).abs()
    if scores.shape[1] == 1:
        return scores.argmax(dim=1), torch.full_like(scores[:, 0], torch.inf)
    best = scores.topk(2, dim=1).values
    return scores.argmax(dim=1), best[:, 0] - best[:, 1]


def _normalised(file: OnnxModel, image: np.ndarray) -> Tensor:
    """Tell what the model itself takes, whoever normalises for the file."""
    pixels = image[..., ::-1] if file.info.channels == 'BGR' else image
    pixels = (pixels.astype(np.float32) - np.array(file.info.mean, np.float32)) / np.array(file.info.std, np.float32)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))


def _time(
    model: AnalysedModel, file: OnnxModel, images: Sequence[tuple[np.ndarray, np.ndarray]], rounds: int
) -> dict[str, float]:
    inputs = [(_normalised(file, image), taken) for image, taken in images]
    runs = {'torch': lambda one: model.forward(one[0]), 'ONNX Runtime': lambda one: file.run(one[1])}
    return seconds_per_item(runs, inputs, rounds)

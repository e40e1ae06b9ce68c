"""An image under a mixed-scale model: its decisions and its prediction, and the prediction without coarse tokens."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ...backbones import TokenTrace
from ..cost import Cost, cost_of
from ..model import AnalysedModel, all_fine
from ..samples import Sample, inputs_for

IGNORED = 255


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image.

    Args:
        said: (H, W) class indices of a segmentor, probabilities (classes,) of a classifier.
        cost: of saying so.
    """

    said: np.ndarray
    cost: Cost

    @property
    def labels(self) -> np.ndarray:
        """Class indices: (H, W), or of a classifier the one most likely, ()."""
        return self.said if self.said.ndim == 2 else np.asarray(self.said.argmax())


@dataclass(frozen=True)
class ScaleView:
    """One image under a mixed-scale model and under a dense one.

    Args:
        sample: the image.
        p_fine: (Hc, Wc) float in [0, 1], of the whole input.
        fine_mask: (Hc, Wc) bool.
        mixed: what the model says as its gate decides.
        dense: what the dense model says.
    """

    sample: Sample
    p_fine: np.ndarray
    fine_mask: np.ndarray
    mixed: Prediction
    dense: Prediction

    @property
    def agreement(self) -> float:
        """Share of pixels that both predictions label alike; of a classifier 1 for the same class, 0 for another."""
        return float(np.mean(self.mixed.labels == self.dense.labels))

    def accuracy(self, prediction: Prediction) -> float | None:
        """Share of the labelled pixels that a prediction labels right, as `agreement`; None without labels."""
        truth = self.sample.label
        if truth is None or np.all(truth == IGNORED):
            return None
        known = np.asarray(truth) != IGNORED
        return float(np.mean((prediction.labels == truth)[known]))

    def classes(self) -> Counter[int]:
        """Tell how many pixels of the predictions and the truth have each class."""
        truth = () if self.sample.label is None else np.ravel(self.sample.label)
        values = np.concatenate([self.mixed.labels.ravel(), self.dense.labels.ravel(), np.asarray(truth, dtype=int)])
        return Counter(values[values != IGNORED].astype(int).tolist())


def figures_of(view: ScaleView) -> dict[str, Any]:
    """Tell what is written about one image.

    Returns:
        Its ``file``, or its number in the data set; ``width`` and ``height`` as the network saw it, in pixels; ``inputs``, how
        often the backbone ran; the sums of ``tokens`` and ``gmacs`` over these runs, and ``dense_tokens`` and ``dense_gmacs``
        of the dense model; ``fine_share`` and ``mean_p_fine`` of its regions; ``agreement``, ``accuracy`` and
        ``dense_accuracy``, see `ScaleView`, None without labels; and a ``note`` of what was done to the image beyond the test
        pipeline of the config.
    """
    height, width = view.sample.image.shape[:2]
    mixed, dense = view.mixed.cost, view.dense.cost
    return dict(
        file=view.sample.name,
        width=width,
        height=height,
        inputs=mixed.inputs,
        tokens=mixed.tokens,
        dense_tokens=dense.tokens,
        fine_share=float(view.fine_mask.mean()),
        mean_p_fine=float(view.p_fine.mean()),
        gmacs=mixed.gmacs,
        dense_gmacs=dense.gmacs,
        agreement=view.agreement,
        accuracy=view.accuracy(view.mixed),
        dense_accuracy=view.accuracy(view.dense),
        note=view.sample.note,
    )


class ScaleViewer:
    """Shows images to a mixed-scale model and a dense one.

    Args:
        model: whose backbone has a gate.
        dense: the model to compare with, run with every region fine; None: the same weights.

    Raises:
        ValueError: the first model has no gate, or the second one says other things.
    """

    def __init__(self, model: AnalysedModel, dense: AnalysedModel | None = None):
        if model.backbone.gate is None:
            raise ValueError(
                'the model of this config has no gate: every region is fine, and there are no scales to see. Give the config '
                'of a mixed-scale model; a dense one is what --dense takes'
            )
        if dense and (dense.segments, dense.num_classes) != (model.segments, model.num_classes):
            kinds = [
                f'{"labels pixels" if one.segments else "labels images"} in {one.num_classes} classes'
                for one in (model, dense)
            ]
            raise ValueError(f'the two models cannot be compared: the first {kinds[0]}, the dense one {kinds[1]}')
        self.model, self._dense = model, dense or model
        self._trace = TokenTrace()

    def __call__(self, sample: Sample) -> ScaleView:
        """Look at one image of ``model``'s samples.

        Raises:
            ValueError: the network cannot take it.
        """
        shape = sample.image.shape[:2]
        p_fine, fine_mask = self.model.decide(sample.inputs, shape)
        mixed = self._predict(self.model, sample.inputs, shape)
        inputs = inputs_for(self._dense, sample, self.model)
        with all_fine(self._dense.backbone):
            dense = self._predict(self._dense, inputs, shape)
        return ScaleView(sample, p_fine, fine_mask, mixed, dense)

    def _predict(self, model: AnalysedModel, inputs: Tensor, shape: tuple[int, int]) -> Prediction:
        self._trace.drain()
        said = model.predict(inputs)
        return Prediction(said[: shape[0], : shape[1]] if model.segments else said, cost_of(self._trace.drain()))

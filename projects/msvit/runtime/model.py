"""Running an exported model."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np

from .info import ModelInfo
from .resizing import prepare, scaled

# Cells that are fine at most: attention holds the square of them, which then takes some gigabytes.
MAX_CELLS = 2**14


@dataclass(frozen=True)
class Prediction:
    """What a model says of an image.

    Args:
        labels: class indices of a segmentor's pixels, (H, W) int64 at the image's own size; of a classifier the one (), of a
            multi-label one those of positive score (n,).
        scores: before softmax or sigmoid: (classes,), or (classes, h, w) in the resolution of the head.
        p_fine: (Hc, Wc) float32 in [0, 1], how sure the gate is that a region is fine.
        fine_mask: (Hc, Wc) bool, which regions are.
        tokens: how many the model read, without class token.
        dense_tokens: with every region fine.
        seen: (H', W', 3) uint8 RGB, the image as the model saw it.
    """

    labels: np.ndarray
    scores: np.ndarray
    p_fine: np.ndarray
    fine_mask: np.ndarray
    tokens: int
    dense_tokens: int
    seen: np.ndarray


class OnnxModel:
    """A file of ``msvit export``, by ONNX Runtime: numpy and onnxruntime alone.

    Args:
        path: the ``.onnx`` file.
        threads: of the processor; None: ONNX Runtime's choice.
        providers: of ONNX Runtime, e.g. ``['CUDAExecutionProvider']``; by default the CPU.

    Raises:
        ImportError: onnxruntime is not installed.
        FileNotFoundError: there is no such file.
        ValueError: it is no ONNX file, or not one of ``msvit export``.
    """

    def __init__(self, path: str | PathLike, threads: int | None = None, providers: Sequence[str] | None = None):
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError("ONNX Runtime is not installed: pip install 'msvit[onnx]', or onnxruntime") from error
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f'there is no file {path}')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=list(providers or ['CPUExecutionProvider'])
            )
        except Exception as error:  # of classes that ONNX Runtime does not export
            raise ValueError(f'ONNX Runtime cannot read {path}: {error}') from error
        self.info = ModelInfo.from_metadata(self.session.get_modelmeta().custom_metadata_map, str(path))

    def __call__(
        self,
        image: np.ndarray,
        threshold: float | None = None,
        budget: int | float | None = None,
        max_side: int = 1024,
    ) -> Prediction:
        """Predict what an image shows.

        Args:
            image: (H, W, 3) uint8 RGB of any size; it is resized as the model wants.
            threshold: a region is fine where p_fine exceeds it, in [0, 1]; None: the model's own.
            budget: most regions that are fine, a number (int) or a share in [0, 1] (float); None: the model's own.
            max_side: longer images are shrunk to so many pixels, and their labels enlarged.

        Raises:
            ValueError: the image is none, a figure is out of its range, or the model has no gate to set; says which.
        """
        check_image(image)
        if max_side < 1:
            raise ValueError(f'max_side must be at least 1 pixel, got {max_side}')
        seen = prepare(image, self.info.resizing, max_side)
        outputs = self.run(self.normalise(seen), threshold, budget)
        labels = outputs['labels'][0]
        if self.info.task == 'segmentation':
            labels = _nearest(labels, image.shape[:2])
        elif self.info.task == 'multilabel':
            labels = np.flatnonzero(outputs['scores'][0] > 0)
        return Prediction(
            labels,
            outputs['scores'][0],
            outputs['p_fine'][0],
            outputs['fine_mask'][0],
            int(outputs['tokens'][0]),
            self.dense_tokens(seen.shape[:2]),
            seen.clip(0, 255).astype(np.uint8),
        )

    def run(
        self, inputs: np.ndarray, threshold: float | None = None, budget: int | float | None = None
    ) -> dict[str, np.ndarray]:
        """Run the graph on what `normalise` gives.

        Args:
            inputs: (1, 3, H, W) float32, or (B, 3, H, W) where the graph takes any batch.
            threshold, budget: as for a call.

        Returns:
            ``labels`` (B, H, W) or (B,), ``scores`` (B, classes, h, w) or (B, classes), ``fine_mask`` and ``p_fine`` (B, Hc,
            Wc), ``tokens`` (B,).

        Raises:
            ValueError: the inputs have another shape or would fill the memory, or a figure is out of its range.
        """
        self._check_inputs(inputs)
        feed: dict[str, Any] = dict(images=inputs, **self._settings(inputs.shape[2:], threshold, budget))
        names = [output.name for output in self.session.get_outputs()]
        outputs = cast('list[np.ndarray]', self.session.run(names, feed))
        return dict(zip(names, outputs, strict=True))

    def normalise(self, image: np.ndarray) -> np.ndarray:
        """Pixels (H, W, 3) of 0..255, RGB -> the graph's input (1, 3, H, W) float32."""
        pixels = np.asarray(image, dtype=np.float32)
        if not self.info.normalised_inside:
            pixels = pixels[..., ::-1] if self.info.channels == 'BGR' else pixels
            pixels = (pixels - np.array(self.info.mean, np.float32)) / np.array(self.info.std, np.float32)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """The model's scores as probabilities, along the first axis: softmax, or sigmoid of several labels."""
        scores = scores.astype(np.float64)
        if self.info.task == 'multilabel' or len(scores) == 1:
            return 1 / (1 + np.exp(-scores))
        shares = np.exp(scores - scores.max(axis=0))
        return shares / shares.sum(axis=0)

    def dense_tokens(self, shape: Sequence[int]) -> int:
        """Tokens of an input of (height, width) pixels with every region fine."""
        rows, columns = (-(-side // self.info.patch_size) for side in shape)
        return rows * columns

    def _settings(self, shape: Sequence[int], threshold: float | None, budget: int | float | None) -> dict[str, np.ndarray]:
        if self.info.threshold is None:
            if threshold is not None or budget is not None:
                raise ValueError('threshold and budget cannot be set: the model has no gate, every region is fine')
            return {}
        threshold = self.info.threshold if threshold is None else threshold
        budget = self.info.budget if budget is None else budget
        if isinstance(threshold, bool) or not 0 <= threshold <= 1:
            raise ValueError(f'threshold must lie in [0, 1], got {threshold!r}')
        rows, columns = (-(-side // self.info.coarse_patch_size) for side in shape)
        most = most_fine(rows * columns, budget)
        return dict(threshold=np.array(threshold, np.float32), budget=np.array(most, np.int64))

    def _check_inputs(self, inputs: np.ndarray) -> None:
        batch = 'B' if self.info.any_batch else '1'
        alone = self.info.any_batch or len(inputs) == 1
        if inputs.ndim != 4 or inputs.shape[1] != 3 or 0 in inputs.shape or not alone:
            raise ValueError(f'the graph takes images ({batch}, 3, H, W), none of them 0, got {inputs.shape}')
        cells = self.dense_tokens(inputs.shape[2:])
        if cells > MAX_CELLS:
            side = scaled((self.info.patch_size, 1), MAX_CELLS**0.5)[0]
            raise ValueError(
                f'{inputs.shape[2]}x{inputs.shape[3]} pixels make up to {cells} tokens, which fill the memory: give images of '
                f'at most {side}x{side} pixels, or a lower max_side'
            )


def most_fine(regions: int, budget: int | float | None) -> int:
    """Tell how many of an image's regions may be fine.

    Args:
        regions: of the image.
        budget: a number (int), a share of them in [0, 1] (float), or None for no limit.

    Raises:
        ValueError: the budget is out of its range.
    """
    if budget is None:
        return regions
    whole = isinstance(budget, (int, np.integer)) and not isinstance(budget, bool)
    if whole and budget >= 0:
        return min(int(budget), regions)
    if isinstance(budget, (float, np.floating)) and 0 <= budget <= 1:
        return int(budget * regions + 1e-6)  # a share such as 0.29 of 100 regions must not lose one to rounding
    raise ValueError(f'budget must be a number of regions (int >= 0) or a share of them (float in [0, 1]), got {budget!r}')


def check_image(image: Any) -> None:
    """Raise ValueError unless this is an RGB image, (H, W, 3) uint8."""
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[2] != 3
        or not image.size
    ):
        got = f'{image.dtype} {image.shape}' if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f'an image is an (H, W, 3) uint8 RGB array, got {got}')


def _nearest(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    rows, columns = (
        np.minimum(((np.arange(target) + 0.5) * length / target).astype(int), length - 1)
        for target, length in zip(shape, labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]

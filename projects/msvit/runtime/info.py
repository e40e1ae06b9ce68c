"""What an exported model tells of itself, in the metadata of its file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

# In front of the names in a file, and what a file that is none of ours lacks.
PREFIX = 'msvit.'
FORMAT = 1

Task = Literal['segmentation', 'classification', 'multilabel']


@dataclass(frozen=True)
class Resizing:
    """How images are brought to the size that a model was made for, as its config's test pipeline does.

    Args:
        mode: ``'none'``; ``'stretch'`` to ``size``; ``'fit'`` within ``size``, the aspect kept (the longer side within its
            larger figure); ``'crop'``: the shorter side to ``edge``, then the centre of ``size``.
        size: (height, width) in pixels.
        edge: in pixels, for ``'crop'``.
        interpolation: ``'bilinear'`` or ``'bicubic'``, both antialiased.
    """

    mode: Literal['none', 'stretch', 'fit', 'crop'] = 'none'
    size: tuple[int, int] = (0, 0)
    edge: int = 0
    interpolation: Literal['bilinear', 'bicubic'] = 'bilinear'


@dataclass(frozen=True)
class ModelInfo:
    """What an exported model is, and what it wants.

    Args:
        name: of its config.
        task: ``'segmentation'``: pixels have labels; ``'classification'``: images have one; ``'multilabel'``: several.
        classes: their names.
        palette: their colours, (red, green, blue) in 0..255 each.
        patch_size: side of a fine patch in pixels.
        coarse_patch_size: side of a region in pixels.
        image_size: (height, width) in pixels that the model was made for; any other works.
        resizing: of images before they are given to the model.
        mean: of each channel, in 0..255.
        std: of each channel, in 0..255.
        channels: the order of the channels of the graph's input, ``'RGB'`` or ``'BGR'``.
        normalised_inside: the graph takes pixels of 0..255 and normalises them itself.
        any_batch: the graph takes several images of one size; else one.
        threshold: the gate's, in [0, 1]; None: the model has no gate, and every region is fine.
        budget: the gate's: most regions that are fine, a number (int) or a share (float); None: no limit.
        weights: ``'float32'`` or ``'int8'``.
        version: of msvit.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    patch_size: int
    coarse_patch_size: int
    image_size: tuple[int, int]
    resizing: Resizing
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: Literal['RGB', 'BGR'] = 'RGB'
    normalised_inside: bool = False
    any_batch: bool = False
    threshold: float | None = None
    budget: int | float | None = None
    weights: Literal['float32', 'int8'] = 'float32'
    version: str = ''

    def to_metadata(self) -> dict[str, str]:
        """As the strings that an ONNX file holds, by name."""
        values = {**asdict(self), 'format': FORMAT}
        return {f'{PREFIX}{name}': json.dumps(value) for name, value in values.items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], file: str = 'the file') -> 'ModelInfo':
        """From the metadata of an ONNX file.

        Args:
            metadata: its strings by name.
            file: what messages call it.

        Raises:
            ValueError: it is no graph of ``msvit export``, or one of a later version.
        """
        values: dict[str, Any] = {
            name.removeprefix(PREFIX): json.loads(text) for name, text in metadata.items() if name.startswith(PREFIX)
        }
        kind = values.pop('format', None)
        if kind is None:
            raise ValueError(f'{file} is not a graph of "msvit export": it tells no classes, sizes and normalisation')
        known = {field.name for field in fields(cls)}
        if kind != FORMAT or set(values) != known:
            raise ValueError(
                f'{file} is a graph of another version of msvit ({values.get("version", "unknown")}): export the model anew'
            )
        resizing = values.pop('resizing')
        return cls(resizing=Resizing(**{name: _frozen(value) for name, value in resizing.items()}), **_tuples(values))


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _frozen(value) for name, value in values.items()}


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value

"""What commands show an exported model, for which there is no config."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..export.photographs import sample_photographs
from ..images import find_images, read_rgb
from ..runtime import OnnxModel
from ..runtime.resizing import prepare
from .arguments import evenly


def is_exported(name: str | Path) -> bool:
    """Whether this names an exported model, and no config."""
    return Path(name).suffix == '.onnx'


def images_for(file: OnnxModel, args: Namespace) -> Iterator[tuple[str, np.ndarray]]:
    """Names and pixels of ``--images``, or of the photographs of scikit-image, as a model sees them.

    Args:
        file: the model.
        args: with ``images``, ``num_images`` and ``max_side``.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: one of them is no image.
    """
    files = find_images(args.images) if args.images else sample_photographs()
    max_side = args.max_side if args.images else max(file.info.image_size)
    for path in evenly(files, args.num_images):
        yield str(path), prepare(read_rgb(path), file.info.resizing, max_side)

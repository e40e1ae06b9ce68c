"""DigitScenes in COCO's form, a box and a mask for every digit, made from what a data set on disk holds already."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from PIL import Image
from tqdm import tqdm

from ..atomic_write import atomic_write
from .digit_scenes import require_digit_scenes

SPLITS = ('train', 'val')


def build_digit_instances(root: str | Path) -> None:
    """Writes ``ROOT/annotations/instances_{train,val}.json`` of a complete DigitScenes, unless they are there.

    Beside the boxes of ``boxes_{train,val}.json`` they hold masks: run lengths, and their number of pixels as ``area``. Images
    and label maps stay as they are. Of several processes that start together one writes and the others wait.

    Args:
        root: folder of the data set, see ``digit_scenes.py``.

    Raises:
        FileNotFoundError: there is no complete DigitScenes.
    """
    root = Path(root).resolve()
    require_digit_scenes(root)
    files = {split: root / 'annotations' / f'instances_{split}.json' for split in SPLITS}
    if all(file.is_file() for file in files.values()):  # before the lock: the data may lie on a read-only disk
        return
    with FileLock(root.with_name(f'{root.name}.lock')):
        for split, file in files.items():
            if not file.is_file():
                with atomic_write(file) as partial:
                    partial.write_text(json.dumps(_instances(root, split)) + '\n')


def _instances(root: Path, split: str) -> dict[str, Any]:
    """The boxes of a split, with masks. The notes do not overlap, so a digit's pixels are those of its label in its box."""
    coco = json.loads((root / f'boxes_{split}.json').read_text())
    names = {image['id']: Path(image['file_name']).stem for image in coco['images']}
    labels, opened = np.empty((0, 0)), None
    for digit in tqdm(coco['annotations'], desc=f'DigitScenes {split} masks', unit='digit'):  # in the order of the images
        if digit['image_id'] != opened:
            opened = digit['image_id']
            labels = np.asarray(Image.open(root / 'annotations' / split / f'{names[opened]}.png'))
        x, y, width, height = digit['bbox']
        mask = np.zeros(labels.shape, dtype=bool)
        mask[y : y + height, x : x + width] = labels[y : y + height, x : x + width] == digit['category_id']
        digit.update(segmentation=dict(size=list(mask.shape), counts=run_lengths(mask)), area=int(mask.sum()))
    return coco


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's run lengths of a mask (H, W): down the columns, how many 0, how many 1, how many 0, and so on."""
    pixels = mask.ravel(order='F').astype(bool)
    bounds = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    runs = np.diff(np.concatenate(([0], bounds, [pixels.size]))).tolist()
    return [0, *runs] if pixels[0] else runs

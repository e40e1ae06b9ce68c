"""DigitScenes: a seeded segmentation, detection and multi-label data set that needs no download.

Real handwritten digits (scikit-learn) stand at random places and sizes on real photographs (scikit-image, scikit-learn)::

    ROOT/images/{train,val}/000000.jpg        RGB scenes, JPEG quality 95
    ROOT/annotations/{train,val}/000000.png   0 = background, 1..10 = digits 0..9
    ROOT/boxes_{train,val}.json               COCO boxes, categories 1..10 = digits 0..9
    ROOT/labels_{train,val}.json              mmpretrain's multi-label form: the digits present, 0..9
    ROOT/manifest.json                        the settings; its presence says that the data set is complete
"""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from PIL import Image
from tqdm import tqdm

from ..checks import check_flag, check_path, is_count, is_share
from .scene_painter import NOTE_SIDE, Scene, ScenePainter

DIGIT_NAMES = tuple('0123456789')
VERSION = 1  # raise it when the same settings give other pixels
MANIFEST = 'manifest.json'


def build_digit_scenes(
    root: str | Path,
    train: int = 2000,
    val: int = 200,
    size: int = 128,
    seed: int = 0,
    digits_per_scene: tuple[int, int] = (1, 3),
    note_side: tuple[float, float] = NOTE_SIDE,
    overwrite: bool = False,
) -> Path:
    """Writes DigitScenes to ``root``, or returns at once when it stands there already with the same settings.

    The scenes are written to ``ROOT.partial`` and moved to ``root`` when all is written, under a file lock: of several
    processes that start together one builds and the others wait. What an interrupted build left is noticed and made anew.

    Args:
        root: folder of the data set.
        train: number of training scenes, >= 1. A scene's pixels do not depend on the number of scenes.
        val: number of validation scenes, >= 1.
        size: side of the square scenes in pixels, >= 32; digits grow with it (24 to 44 pixels at 128).
        seed: seed of everything random, >= 0.
        digits_per_scene: (fewest, most) digits of a scene.
        note_side: (smallest, largest) side of a digit's note, as a share of the scene's side, in (0, 1].
        overwrite: replace a DigitScenes of other settings, or one that lacks files; nothing else is ever replaced.

    Returns:
        The folder.

    Raises:
        ValueError: a number out of range, or ``root`` holds a DigitScenes of other settings.
        FileExistsError: ``root`` holds something else.
        FileNotFoundError: files of the DigitScenes at ``root`` are gone.
    """
    check_path('root', root)
    check_flag('overwrite', overwrite)
    _check_settings(train, val, size, seed, digits_per_scene, note_side)
    settings = {'dataset': 'DigitScenes', 'version': VERSION, 'train': train, 'val': val, 'size': size, 'seed': seed}
    settings.update(digits_per_scene=list(digits_per_scene), note_side=list(note_side))
    root = Path(root).resolve()
    if read_manifest(root) == settings and not overwrite:  # before the lock: the data may lie on a read-only disk
        _require_files(root, settings)
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(root.with_name(f'{root.name}.lock')):
        if _is_complete(root, settings, overwrite):
            return root
        partial = root.with_name(f'{root.name}.partial')
        if partial.exists():
            print_log(f'{partial} is left from an interrupted build: starting anew', 'current', logging.WARNING)
            shutil.rmtree(partial)
        for split, count in (('train', train), ('val', val)):
            _write_split(partial, ScenePainter(split, size, seed, digits_per_scene, note_side), count)
        _write_json(partial / MANIFEST, settings)
        if root.exists():
            shutil.rmtree(root)
        partial.rename(root)
    return root


def _check_settings(
    train: int, val: int, size: int, seed: int, digits_per_scene: tuple[int, int], note_side: tuple[float, float]
) -> None:
    for name, value, least in (('train', train, 1), ('val', val, 1), ('size', size, 32), ('seed', seed, 0)):
        if not is_count(value, least):
            raise ValueError(f'DigitScenes: {name} must be an integer >= {least}, got {value!r}')
    if not _is_pair(digits_per_scene, is_count):
        raise ValueError(f'DigitScenes: digits_per_scene must be (fewest, most), got {digits_per_scene!r}')
    if not _is_pair(note_side, is_share):
        raise ValueError(f'DigitScenes: note_side must be (smallest, largest) shares in (0, 1], got {note_side!r}')


def _is_pair(value: Any, valid: Callable[[Any], bool]) -> bool:
    """Tell whether it is (smallest, largest) of valid numbers."""
    return isinstance(value, Sequence) and len(value) == 2 and all(map(valid, value)) and value[0] <= value[1]


def _is_complete(root: Path, settings: dict[str, Any], overwrite: bool) -> bool:
    """Tell whether ``root`` holds what is asked for; False: it may be (re)placed. Raises where it may not."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    found = read_manifest(root)
    if found is None:
        raise FileExistsError(
            f'{root} exists, but is no complete DigitScenes (it has no {MANIFEST}); '
            'choose another folder, or remove it if you do not need it'
        )
    if found == settings and not missing_files(root, settings):
        return True
    if overwrite:
        return False
    if found == settings:
        _require_files(root, settings)
    differing = ', '.join(
        f'{key} {found.get(key)!r} (asked for: {settings[key]!r})' for key in settings if found.get(key) != settings[key]
    )
    raise ValueError(
        f'{root} holds DigitScenes with other settings: {differing}. Choose another folder, or replace it with '
        f'python tools/dataset_converters/digit_scenes.py {root} --overwrite'
    )


def read_manifest(root: str | Path) -> dict[str, Any] | None:
    """The settings of the complete DigitScenes at ``root``; None where there is none."""
    try:
        manifest = json.loads((Path(root) / MANIFEST).read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.get('dataset') == 'DigitScenes' else None


def require_digit_scenes(root: str | Path) -> None:
    """Raise FileNotFoundError unless a complete DigitScenes is at ``root``, with all of its images."""
    manifest = read_manifest(root)
    if manifest is None:
        raise FileNotFoundError(
            f'{root} holds no complete DigitScenes (it has no valid {MANIFEST}). '
            f'Generate it: python tools/dataset_converters/digit_scenes.py {root}'
        )
    _require_files(Path(root), manifest)


def _require_files(root: Path, manifest: dict[str, Any]) -> None:
    """Raise FileNotFoundError where scenes were removed since they were generated."""
    if missing := missing_files(root, manifest):
        raise FileNotFoundError(
            f'{len(missing)} files of the DigitScenes at {root} are gone, the first is {missing[0]}. Generate them anew: '
            f'python tools/dataset_converters/digit_scenes.py {root} --overwrite'
        )


def missing_files(root: Path, manifest: dict[str, Any]) -> list[Path]:
    """The images and label maps of a DigitScenes, as its manifest counts them, that are not there."""
    missing = []
    for split in ('train', 'val'):
        for folder, suffix in ((root / 'images' / split, 'jpg'), (root / 'annotations' / split, 'png')):
            there = {path.name for path in folder.glob(f'*.{suffix}')}
            names = (f'{index:06d}.{suffix}' for index in range(manifest.get(split, 0)))
            missing += [folder / name for name in names if name not in there]
    return missing


def _write_split(root: Path, painter: ScenePainter, count: int) -> None:
    """Paints and writes ``count`` scenes with their masks, boxes and labels."""
    images, annotations = root / 'images' / painter.split, root / 'annotations' / painter.split
    images.mkdir(parents=True)
    annotations.mkdir(parents=True)
    categories = [{'id': digit + 1, 'name': name} for digit, name in enumerate(DIGIT_NAMES)]
    boxes = {'images': [], 'annotations': [], 'categories': categories}
    labels = {'metainfo': {'classes': list(DIGIT_NAMES)}, 'data_list': []}
    for index in tqdm(range(count), desc=f'DigitScenes {painter.split}', unit='scene'):
        scene = painter.paint(index)
        name = f'{index:06d}'
        Image.fromarray(scene.image).save(images / f'{name}.jpg', quality=95)
        Image.fromarray(scene.mask).save(annotations / f'{name}.png')
        boxes['images'].append({'id': index, 'file_name': f'{name}.jpg', 'width': painter.size, 'height': painter.size})
        boxes['annotations'] += _coco_annotations(scene, index, first_id=len(boxes['annotations']) + 1)
        labels['data_list'].append({'img_path': f'{name}.jpg', 'gt_label': sorted(set(scene.digits))})
    _write_json(root / f'boxes_{painter.split}.json', boxes)
    _write_json(root / f'labels_{painter.split}.json', labels)


def _coco_annotations(scene: Scene, image_id: int, first_id: int) -> list[dict[str, Any]]:
    return [
        {
            'id': first_id + offset,
            'image_id': image_id,
            'category_id': digit + 1,
            'bbox': list(box),
            'area': box[2] * box[3],
            'iscrowd': 0,
        }
        for offset, (digit, box) in enumerate(zip(scene.digits, scene.boxes, strict=True))
    ]


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content) + '\n')


def check_build(build: Any) -> None:
    """Raise TypeError unless it is a dict of arguments of `build_digit_scenes`, or None."""
    if build is not None and not isinstance(build, dict):
        raise TypeError(f'build must be a dict of arguments of build_digit_scenes, or None, got {build!r}')


class GeneratedScenes(BaseDataset):
    """Mixin in front of any data set on DigitScenes, which is generated where it is missing.

    Args:
        build: arguments of `build_digit_scenes`. None: the data set must be there.
        **kwargs: of the data set.

    Raises:
        TypeError: ``build`` is something else.
    """

    def __init__(self, build: dict[str, Any] | None = None, **kwargs) -> None:
        check_build(build)
        self.build = build
        super().__init__(**kwargs)

    def generate(self) -> None:
        """Generates the scenes at ``data_root`` where they are missing and ``build`` is given.

        Raises:
            ValueError: there is no ``data_root``, or it holds DigitScenes of other settings.
            FileNotFoundError: there is no DigitScenes, and ``build`` is not given.
        """
        if not self.data_root:
            raise ValueError(f'{type(self).__name__} needs data_root')
        if self.build is not None:
            build_digit_scenes(self.data_root, **self.build)
        require_digit_scenes(self.data_root)

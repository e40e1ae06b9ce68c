"""Paints one DigitScene: notes with scikit-learn's handwritten digits, pasted on a photograph crop."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# Photographs that lie in the wheels (nothing is downloaded). Training and validation share none.
PHOTOGRAPHS = {
    'train': (
        'skimage/data/astronaut.png',
        'skimage/data/brick.png',
        'skimage/data/camera.png',
        'skimage/data/chelsea.png',
        'skimage/data/grass.png',
        'skimage/data/hubble_deep_field.jpg',
        'skimage/data/ihc.png',
        'skimage/data/moon.png',
        'skimage/data/motorcycle_left.png',
        'skimage/data/retina.jpg',
        'sklearn/datasets/images/flower.jpg',
    ),
    'val': (
        'skimage/data/coffee.png',
        'skimage/data/coins.png',
        'skimage/data/gravel.png',
        'skimage/data/rocket.jpg',
        'sklearn/datasets/images/china.jpg',
    ),
}
NUM_TRAIN_DIGITS = 1500  # of scikit-learn's 1797, the other 297 are for validation
NOTE_SIDE = (24 / 128, 44 / 128)  # of the scene's side: (smallest, largest)
NOTE_CORNER = 0.25  # corner radius of a note, of its side
GLYPH_SIDE = 0.85  # of the note's side
CROP_SIDE = (0.75, 4.0)  # photograph pixels per scene pixel
BRIGHTNESS = (0.7, 1.2)
PAPER, INK = (0.75, 1.0), (0.0, 0.35)  # luminance, 0 = black and 1 = white
ATTEMPTS = 50
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@dataclass
class Scene:
    """One painted scene.

    Attributes:
        image: (size, size, 3) uint8 RGB.
        mask: (size, size) uint8, 0 = background, 1..10 = the note with digit 0..9.
        digits: the digits that were pasted, 0..9, in the order of pasting.
        boxes: per digit the tight box (x, y, width, height) of its mask, in pixels.
    """

    image: np.ndarray
    mask: np.ndarray
    digits: list[int]
    boxes: list[tuple[int, int, int, int]]


class ScenePainter:
    """Paints the scenes of one split, each from its own random stream, so any scene can be painted alone.

    Args:
        split: ``'train'`` or ``'val'``; the two share neither digits nor photographs.
        size: side of the square scenes in pixels, >= 32.
        seed: seed of the whole data set, >= 0.
        digits_per_scene: (fewest, most) notes of a scene.
        note_side: (smallest, largest) side of a note, as a share of the scene's side, in (0, 1].

    Raises:
        ImportError: scikit-image or scikit-learn is not installed.
        FileNotFoundError: the installed scikit-image or scikit-learn does not ship a photograph.
    """

    def __init__(
        self,
        split: str,
        size: int,
        seed: int,
        digits_per_scene: tuple[int, int] = (1, 3),
        note_side: tuple[float, float] = NOTE_SIDE,
    ) -> None:
        self.split, self.size, self.seed = split, size, seed
        self.digits_per_scene, self.note_side = digits_per_scene, note_side
        self.photographs = [_load_photograph(name) for name in PHOTOGRAPHS[split]]
        self.glyphs, self.labels = load_glyphs(split, seed)

    def paint(self, index: int) -> Scene:
        """Paints scene ``index`` of the split: the same pixels for the same split, size, seed and index."""
        rng = np.random.default_rng([self.seed, list(PHOTOGRAPHS).index(self.split), index])
        image = self._background(rng)
        mask = np.zeros((self.size, self.size), dtype=np.uint8)
        digits, boxes = [], []
        for x, y, side in self._places(rng):
            choice = rng.integers(len(self.glyphs))
            cell = np.s_[y : y + side, x : x + side]
            note, ink = _note_alpha(side), _ink_alpha(self.glyphs[choice], side)
            for alpha, luminance in ((note, PAPER), (ink, INK)):
                image[cell] += alpha[..., None] * (_random_colour(luminance, rng) - image[cell])
            mask[cell][note > 0.5] = self.labels[choice] + 1
            digits.append(int(self.labels[choice]))
            boxes.append((x, y, side, side))
        return Scene((image * 255).round().astype(np.uint8), mask, digits, boxes)

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        """A random square crop of a random photograph: (size, size, 3) float32 in [0, 1]."""
        photograph = self.photographs[rng.integers(len(self.photographs))]
        low, high = (min(factor * self.size, *photograph.size) for factor in CROP_SIDE)
        side = np.exp(rng.uniform(np.log(low), np.log(high)))
        left, top = (rng.uniform(0, length - side) for length in photograph.size)
        crop = photograph.resize(
            (self.size, self.size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side), reducing_gap=3.0
        )
        pixels = np.asarray(crop, dtype=np.float32) / 255
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        return np.clip(pixels * rng.uniform(*BRIGHTNESS), 0, 1).astype(np.float32)

    def _places(self, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        """Random squares (x, y, side) inside the (size, size) scene that do not overlap."""
        low, high = (round(share * self.size) for share in self.note_side)
        places: list[tuple[int, int, int]] = []
        for _ in range(rng.integers(self.digits_per_scene[0], self.digits_per_scene[1] + 1)):
            for _ in range(ATTEMPTS):  # a scene in which a note finds no place has fewer
                side = int(rng.integers(low, high + 1))
                x, y = (int(value) for value in rng.integers(0, self.size - side + 1, size=2))
                if all(_apart((x, y, side), other) for other in places):
                    places.append((x, y, side))
                    break
        return places


def load_glyphs(split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's handwritten digits of one split.

    Returns:
        glyphs (N, 8, 8) float32 in [0, 1], 1 = ink, and labels (N,) int in 0..9; N is 1500 for training, 297 for validation.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError('DigitScenes needs scikit-learn: pip install scikit-learn scikit-image') from error
    data: Any = load_digits()  # a Bunch, by its default arguments
    order = np.random.default_rng(seed).permutation(len(data.target))
    chosen = order[:NUM_TRAIN_DIGITS] if split == 'train' else order[NUM_TRAIN_DIGITS:]
    return (data.images[chosen] / 16).astype(np.float32), data.target[chosen]


def photograph_path(name: str) -> Path:
    """The file ``package/path`` of an installed package.

    Raises:
        ImportError: the package is not installed.
        FileNotFoundError: the installed version does not ship it.
    """
    package, _, inside = name.partition('/')
    spec = importlib.util.find_spec(package)  # locates the package without importing it
    if spec is None or spec.origin is None:
        raise ImportError(f'DigitScenes needs the photographs of {package}: pip install scikit-learn scikit-image')
    path = Path(spec.origin).parent / inside
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} is missing: this version of {package} does not ship that photograph; '
            'DigitScenes was made with scikit-image 0.26 and scikit-learn 1.9'
        )
    return path


def _load_photograph(name: str) -> Image.Image:
    """Reads ``package/path`` out of an installed package, grey photographs as RGB too."""
    with Image.open(photograph_path(name)) as image:
        return image.convert('RGB')


def _apart(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    """Tell whether two squares (x, y, side) share no pixel."""
    (x, y, side), (other_x, other_y, other_side) = one, other
    return x + side <= other_x or other_x + other_side <= x or y + side <= other_y or other_y + other_side <= y


def _note_alpha(side: int) -> np.ndarray:
    """A rounded square that fills (side, side), with a smooth edge."""
    distance = np.abs(np.arange(side) - (side - 1) / 2) - (0.5 - NOTE_CORNER) * side
    outside = np.hypot(*np.meshgrid(*2 * [np.maximum(distance, 0)]))
    return np.clip(NOTE_CORNER * side - outside + 0.5, 0, 1).astype(np.float32)


def _ink_alpha(glyph: np.ndarray, side: int) -> np.ndarray:
    """An (8, 8) glyph enlarged onto the middle of (side, side), its edge steepened, so that strokes are solid."""
    inner = round(GLYPH_SIDE * side)
    enlarged = np.asarray(Image.fromarray(glyph).resize((inner, inner), Image.Resampling.BICUBIC))
    margin = (side - inner) // 2, side - inner - (side - inner) // 2
    return np.pad(np.clip((enlarged - 0.45) * 4 + 0.5, 0, 1), (margin, margin))


def _random_colour(luminance_range: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """A random hue (3,) in [0, 1] at a random luminance of the range."""
    luminance = rng.uniform(*luminance_range)
    hue = np.clip(np.abs((rng.random() * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    hue_luminance = hue @ LUMA
    if luminance <= hue_luminance:
        return hue * luminance / hue_luminance
    return hue + (1 - hue) * (luminance - hue_luminance) / (1 - hue_luminance)

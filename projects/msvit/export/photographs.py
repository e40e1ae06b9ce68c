"""Photographs that every installation has."""

from pathlib import Path

from ..datasets.scene_painter import photograph_path

_NAMES = (
    'skimage/data/coffee.png',
    'skimage/data/astronaut.png',
    'skimage/data/chelsea.png',
    'skimage/data/rocket.jpg',
    'sklearn/datasets/images/china.jpg',
    'sklearn/datasets/images/flower.jpg',
)


def sample_photographs() -> list[Path]:
    """The files of scikit-image's and scikit-learn's photographs in colour.

    Raises:
        ImportError: one of the two is not installed.
        FileNotFoundError: the installed version does not ship a photograph.
    """
    return [photograph_path(name) for name in _NAMES]

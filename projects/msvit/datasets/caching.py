"""Decoded files kept in memory, for data sets that fit there and GPUs that must not wait for them."""

from copy import copy
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, LoadAnnotations, LoadImageFromFile


class CachedLoading:
    """A loading transform that reads each sample's file once in each process.

    Args:
        transform: what it adds to a sample depends on the sample's files alone.
    """

    def __init__(self, transform: BaseTransform):
        self.transform = transform
        self._loaded: dict[str, dict[str, Any]] = {}

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        path = results['img_path']
        if path not in self._loaded:
            given = {name: copy(value) if isinstance(value, list) else value for name, value in results.items()}
            loaded = self.transform(given)
            assert isinstance(loaded, dict)  # those that load never skip a sample
            self._loaded[path] = {
                name: value for name, value in loaded.items() if name not in results or not _same(value, results[name])
            }
        # later transforms may write into what they get
        return {**results, **{name: copy(value) for name, value in self._loaded[path].items()}}

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.transform!r})'


def keep_loaded(transforms: list[Any]) -> list[Any]:
    """The transforms of a pipeline, those that load images and annotations keeping what they read."""
    loading = (LoadImageFromFile, LoadAnnotations)
    return [CachedLoading(transform) if isinstance(transform, loading) else transform for transform in transforms]


def _same(value: Any, before: Any) -> bool:
    return value is before or (not isinstance(value, np.ndarray) and value == before)

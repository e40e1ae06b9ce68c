"""Segmentation data sets whose errors name the file and what to do."""

import os.path as osp
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mmengine.fileio as fileio
import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmseg.datasets import BaseSegDataset

from msvit.checks import check_flag

from .caching import keep_loaded
from .loading import loading_like_commands
from .verify import VERIFY_COMMAND, broken_reason, unusable_labels_reason, wrong_labels_reason


@contextmanager
def naming_broken_files(files: Sequence[str], root: str, backend_args: dict | None = None) -> Iterator[None]:
    """Turn whatever a pipeline raises over a missing, truncated or damaged file into an OSError that names it.

    Args:
        files: that the pipeline reads.
        root: of the data set, to search for more of their kind.
        backend_args: of mmengine's file client.
    """
    try:
        yield
    except Exception as error:
        for file in files:
            if reason := broken_reason(file, backend_args):
                raise OSError(f'cannot read {file}: {reason}. To list all such files: {VERIFY_COMMAND} {root}') from error
        raise


class NamedBrokenImages(BaseDataset):
    """Mixin in front of any data set of images, whose own errors do not name the file; it reads them as the commands do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pipeline.transforms = loading_like_commands(self.pipeline.transforms)

    def prepare_data(self, idx: int) -> Any:
        """Runs the pipeline on sample ``idx``.

        Raises:
            OSError: the image is missing, truncated or damaged.
        """
        info = self.get_data_info(idx)
        with naming_broken_files([info['img_path']], str(self.data_root)):
            return self.pipeline(info)


class ClearErrors(BaseSegDataset):
    """Mixin in front of any ``BaseSegDataset``: mmseg's own errors name neither the file nor the way out, and it reads 16-bit
    files and annotations of another size than their images without a word.

    It wraps the data set, not the loading transforms, so that pipelines keep the type names that mmseg's inference looks for.
    OpenCV < 5 decodes the first part of a truncated image silently: pipelines should load with ``imdecode_backend='pillow'``.

    Args:
        cache: keep decoded images and annotations in the memory of each process, for data sets that fit there.
        *args, **kwargs: of the data set.
    """

    LAYOUT = (
        '<data_root>/images/<split>/*.jpg\n'
        '<data_root>/annotations/<split>/*.png   one channel, values 0 .. number of classes - 1, 255 = ignored'
    )
    HOW_TO = 'Point data_root and data_prefix of the config to your folders.'

    def __init__(self, *args: Any, cache: bool = False, **kwargs: Any) -> None:
        check_flag('cache', cache)
        super().__init__(*args, **kwargs)
        self.pipeline.transforms = loading_like_commands(self.pipeline.transforms)
        self._usable: set[str] = set()
        if cache:
            self.pipeline.transforms = keep_loaded(self.pipeline.transforms)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Lists the samples.

        Raises:
            FileNotFoundError: a folder of ``data_prefix`` is missing or holds no image.
        """
        for key in ('img_path', 'seg_map_path'):
            folder = self.data_prefix.get(key)
            if folder is not None and not fileio.isdir(folder, backend_args=self.backend_args):
                raise FileNotFoundError(self._explain(f'the folder {folder} ({key}) does not exist'))
        samples = super().load_data_list()
        if not samples:
            raise FileNotFoundError(self._explain(f'{self.data_prefix["img_path"]} holds no *{self.img_suffix} file'))
        return samples

    def prepare_data(self, idx: int) -> Any:
        """Runs the pipeline on sample ``idx``.

        Raises:
            OSError: the image or the annotation is missing, truncated or damaged.
            ValueError: the annotation holds a value that is no class, or has not the size of the image.
        """
        info = self.get_data_info(idx)
        files = [info[key] for key in ('img_path', 'seg_map_path') if key in info]
        with naming_broken_files(files, self._root(), self.backend_args):
            self._check_labels(*files)
            data = self.pipeline(info)
        if not self._labels_are_classes(data):
            self._raise_wrong_labels(files[-1])
        return data

    def _check_labels(self, image: str, labels: str | None = None) -> None:
        """Looks at each annotation file once."""
        if labels is None or labels in self._usable:
            return
        if reason := unusable_labels_reason(image, labels, self.backend_args):
            raise ValueError(f'{labels} {reason}. To list all such files: {VERIFY_COMMAND} {self._root()}')
        self._usable.add(labels)

    def _labels_are_classes(self, data: Any) -> bool:
        """Tell whether the label map that reaches the loss (cropped in training) is one channel of known classes."""
        sample = data.get('data_samples') if isinstance(data, dict) else None
        label = getattr(sample, 'gt_sem_seg', None)
        if label is None:
            return True
        if label.data.shape[0] != 1:
            return False
        # What mmseg loaded them as: eight times less to look through; in numpy, whose comparisons are the faster ones.
        labels = label.data.to(torch.uint8).numpy()
        return not np.any((labels >= len(self.metainfo['classes'])) & (labels != self.ignore_index))

    def _raise_wrong_labels(self, file: str) -> None:
        # The classes of the file: a config may have chosen some of them, which mmseg maps after loading.
        num_classes = len(self.METAINFO.get('classes') or self.metainfo['classes'])
        reason = wrong_labels_reason(file, num_classes, self.reduce_zero_label, self.ignore_index, self.backend_args)
        zero = ' --reduce-zero-label' if self.reduce_zero_label else ''
        raise ValueError(
            f'{file} {reason or "gives labels that are no class after the pipeline"}. To list all such files: '
            f'{VERIFY_COMMAND} {self._root()} --num-classes {num_classes}{zero}'
        )

    def _root(self) -> str:
        return self.data_root or osp.dirname(self.data_prefix['img_path'])

    def _explain(self, what: str) -> str:
        return (
            f'{type(self).__name__}: {what}. data_root is {self.data_root!r}. Expected layout:\n{self.LAYOUT}\n{self.HOW_TO}'
        )


class SegDataset(ClearErrors):
    """mmseg's ``BaseSegDataset`` with clear errors, for your own data: give ``metainfo=dict(classes=..., palette=...)``."""

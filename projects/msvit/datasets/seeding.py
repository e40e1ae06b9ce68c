"""Training data whose random augmentations depend on the place in the training alone.

Worker processes draw their random numbers in a history that no checkpoint holds. Here each sample brings its own seed, made
from the run's seed and the sample's position in the endless training stream: a resumed run, and a run with more or fewer
workers, sees the very same crops and flips.

    train_dataloader = dict(sampler=dict(type='msvit.ResumableSampler', shuffle=True), ...)
    train_pipeline = [dict(type='msvit.SeedSample'), dict(type='LoadImageFromFile'), ...]

To train by epochs, take ``msvit.ResumableEpochSampler``.
"""

import random
from collections.abc import Iterator

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import get_worker_info


def seed_everything(*entropy: int) -> None:
    """Seed python's, numpy's and torch's generators from a tuple of numbers.

    In a data loader's worker, where augmentations run on the CPU, torch's generators of other devices are left alone.

    Args:
        entropy: non-negative ints; different tuples give independent streams.
    """
    # The length stands in front because numpy takes (1,) and (1, 0) for the same.
    words = np.random.SeedSequence((len(entropy), *entropy)).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    # torch.manual_seed writes down a stack trace for each kind of device that is not in use, half a millisecond a sample.
    seed_torch = torch.default_generator.manual_seed if get_worker_info() else torch.manual_seed
    seed_torch(int(words[2]) << 32 | int(words[3]))


class StreamIndex(int):
    """A sample's index that remembers the run's seed and its position in the training stream."""

    seed: int
    position: int

    def __new__(cls, index: int, seed: int, position: int) -> 'StreamIndex':
        self = super().__new__(cls, index)
        self.seed = seed
        self.position = position
        return self

    def __reduce__(self) -> tuple:
        return StreamIndex, (int(self), self.seed, self.position)


class ResumableSampler(InfiniteSampler):
    """mmengine's InfiniteSampler, whose indices carry what :class:`SeedSample` needs.

    Args:
        dataset, shuffle, seed: as in :class:`mmengine.dataset.InfiniteSampler`.
    """

    def _indices_of_rank(self) -> Iterator[StreamIndex]:
        for step, index in enumerate(super()._indices_of_rank()):
            yield StreamIndex(index, self.seed, step * self.world_size + self.rank)


class ResumableEpochSampler(DefaultSampler):
    """mmengine's DefaultSampler, for training by epochs, whose indices carry what :class:`SeedSample` needs.

    Args:
        dataset, shuffle, seed, round_up: as in :class:`mmengine.dataset.DefaultSampler`.
    """

    def __iter__(self) -> Iterator[StreamIndex]:
        first = self.epoch * self.total_size + self.rank
        for step, index in enumerate(super().__iter__()):
            yield StreamIndex(index, self.seed, first + step * self.world_size)


class SeedSample(BaseTransform):
    """Seed the process's generators for this sample: the first transform of a training pipeline.

    Raises:
        TypeError: the index comes from another sampler, or a dataset wrapper has replaced it.
    """

    def transform(self, results: dict) -> dict:
        """Seed from ``results['sample_idx']`` and hand the sample on unchanged."""
        index = results.get('sample_idx')
        if isinstance(index, StreamIndex):
            seed_everything(index.seed, index.position)
            results['sample_idx'] = int(index)
        elif not isinstance(index, np.integer):  # mmengine draws such an index where a sample could not be used
            raise TypeError(
                f"msvit.SeedSample got the index {index!r}: use sampler=dict(type='msvit.ResumableSampler') in "
                'train_dataloader, or msvit.ResumableEpochSampler to train by epochs, and no wrapper around the dataset.'
            )
        return results

"""Samples that bring their own seed."""

import copy
import itertools
import pickle
import random

import numpy as np
import pytest
import torch

from msvit.datasets.seeding import ResumableEpochSampler, ResumableSampler, SeedSample, StreamIndex, seed_everything


def draw() -> tuple[float, float, float]:
    """Draw once from each generator that augmentations use."""
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_seeds_decide_every_generator_and_differ():
    draws = []
    for entropy in [(0, 1), (1, 0), (0, 1), (0, 1, 0), (0, 2)]:
        seed_everything(*entropy)
        draws.append(draw())
    assert draws[0] == draws[2]
    assert all(len(set(column)) == 4 for column in zip(*draws, strict=True))


def test_a_worker_draws_what_the_main_process_does():
    class Draws(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> tuple:
            seed_everything(7, index)
            return torch.utils.data.get_worker_info() is not None, draw()

    here, there = ([*torch.utils.data.DataLoader(Draws(), batch_size=None, num_workers=count)] for count in (0, 1))
    assert [drawn for _, drawn in here] == [drawn for _, drawn in there]
    assert [worker for worker, _ in here + there] == [False, False, True, True]


def test_the_sampler_gives_the_indices_of_mmengines_and_numbers_them():
    from mmengine.dataset import InfiniteSampler

    ours = list(itertools.islice(ResumableSampler(range(5), seed=7), 13))
    assert ours == list(itertools.islice(InfiniteSampler(range(5), seed=7), 13))
    assert [index.position for index in ours] == list(range(13))
    assert {index.seed for index in ours} == {7}


def test_ranks_share_one_stream():
    streams = []
    for rank in range(2):
        sampler = ResumableSampler(range(5), seed=7)
        sampler.rank, sampler.world_size = rank, 2
        streams.append(list(itertools.islice(sampler, 4)))
    assert [index.position for index in streams[0]] == [0, 2, 4, 6]
    assert [index.position for index in streams[1]] == [1, 3, 5, 7]


def test_the_epoch_sampler_numbers_the_samples_of_all_epochs_and_ranks():
    from mmengine.dataset import DefaultSampler

    positions = []
    for epoch in range(3):
        for rank in range(2):
            ours, theirs = ResumableEpochSampler(range(5), seed=7), DefaultSampler(range(5), seed=7)
            for sampler in (ours, theirs):
                sampler.rank, sampler.world_size, sampler.total_size, sampler.num_samples = rank, 2, 6, 3
                sampler.set_epoch(epoch)
            assert list(ours) == list(theirs)
            positions += [index.position for index in ours]
            assert {index.seed for index in ours} == {7}
    assert sorted(positions) == list(range(18))


@pytest.mark.parametrize(
    'copied', [lambda index: pickle.loads(pickle.dumps(index)), copy.deepcopy], ids=['pickle', 'deepcopy']
)
def test_an_index_keeps_its_place_on_its_way_to_a_worker(copied):
    index = copied(StreamIndex(4, seed=7, position=9))
    assert (index, index.seed, index.position) == (4, 7, 9)


def test_the_same_place_gives_the_same_augmentation():
    transform, draws = SeedSample(), []
    for position in (3, 4, 3):
        results = transform({'sample_idx': StreamIndex(1, seed=0, position=position)})
        assert type(results['sample_idx']) is int
        draws.append(draw())
    assert draws[0] == draws[2] != draws[1]


def test_a_sample_that_replaces_an_unusable_one_keeps_the_first_ones_stream():
    seed_everything(0)
    expected = draw()
    seed_everything(0)
    SeedSample()({'sample_idx': np.int64(3)})
    assert draw() == expected


@pytest.mark.parametrize('results', [{'sample_idx': 3}, {}])
def test_another_sampler_is_refused(results):
    with pytest.raises(TypeError, match=r'msvit\.ResumableSampler'):
        SeedSample()(results)

"""Two processes of DistributedDataParallel train gate and priors as one process with the joined batch does."""

import gc
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from msvit.losses import BaSLoss, GateLoss, GBaSLoss, TargetLoss
from msvit.losses.joined_batch import join_ranks

RANKS, STEPS, GRID = 2, 2, (2, 3)

# loss, its arguments without gather, images for each process
CASES = {
    'gbas': (GBaSLoss, dict(grid=GRID, target=0.3, weight=4.0, init='centre'), 4),
    'gbas, one image each': (GBaSLoss, dict(grid=GRID), 1),
    'gbas with memory': (GBaSLoss, dict(grid=GRID, memory=6), 2),
    'bas': (BaSLoss, dict(target=0.3), 4),
    'bas with a beta prior': (BaSLoss, dict(target=0.3, prior='beta'), 4),
    'target': (TargetLoss, dict(target=0.3), 4),
    'target, absolute': (TargetLoss, dict(target=0.3, form='absolute'), 4),
}


class TinyGate(nn.Module):
    """An MLP for each region and the loss on what it decides."""

    def __init__(self, loss: GateLoss):
        super().__init__()
        torch.manual_seed(0)
        self.gate = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Linear(8, 1))
        self.loss = loss

    def forward(self, regions: Tensor) -> Tensor:
        return sum(self.loss(self.gate(regions).squeeze(-1).sigmoid()).values())


def batches(images: int) -> Tensor:
    """Two steps of two processes' images, (steps, images of all processes, Hc, Wc, 5)."""
    return torch.randn(STEPS, RANKS * images, *GRID, 5, generator=torch.Generator().manual_seed(1))


def gradients(case: str, gather: bool) -> dict[str, Tensor]:
    """Of all parameters, summed over the steps, and the loss of the last step; within a process group by DDP."""
    cls, arguments, images = CASES[case]
    net = TinyGate(cls(**arguments, gather=gather))
    mine = slice(None)
    step = net
    if dist.is_initialized():
        step = DistributedDataParallel(net)
        mine = slice(dist.get_rank() * images, (dist.get_rank() + 1) * images)
    for regions in batches(images):
        loss = step(regions[mine])
        loss.backward()
    return {'the last loss': loss.detach(), **{name: parameter.grad for name, parameter in net.named_parameters()}}


def what_it_raises(p_fine: Tensor) -> str:
    try:
        TargetLoss(gather=True)(p_fine)
    except ValueError as error:
        return str(error)
    return 'nothing'


def process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(f'{folder}/store', RANKS)
    dist.init_process_group('gloo', store=store, rank=rank, world_size=RANKS, timeout=timedelta(seconds=60))
    found = {case: gradients(case, gather=True) for case in CASES}
    found['without gather'] = gradients('bas', gather=False)
    found['uneven batches'] = what_it_raises(torch.rand(2 + rank, *GRID))
    found['uneven grids'] = what_it_raises(torch.rand(2, 2, 2 + rank))
    strided = torch.full((3, 2), float(rank)).T
    found['joined'] = join_ranks(strided)
    torch.save(found, f'{folder}/{rank}.pt')
    # a rank that was done first, on a busy machine, aborted once while it closed: let go of DDP, and leave together
    gc.collect()
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope='module')
def ranks(tmp_path_factory) -> list[dict]:
    """What each of the two processes found."""
    folder = tmp_path_factory.mktemp('ranks')
    context = mp.spawn(process, (str(folder),), nprocs=RANKS, join=False)
    for _ in range(24):
        if context.join(timeout=5):
            break
    else:
        for child in context.processes:
            child.kill()
        pytest.fail('the processes hang')
    return [torch.load(Path(folder, f'{rank}.pt')) for rank in range(RANKS)]


@pytest.mark.parametrize('case', CASES)
def test_gradients_are_those_of_one_process_with_the_joined_batch(ranks, case):
    expected = gradients(case, gather=False)
    assert all(gradient.abs().max() > 1e-4 for gradient in expected.values())
    for found in ranks:
        assert found[case].keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(
                found[case][name], gradient, rtol=1e-4, atol=1e-7, msg=lambda m, name=name: f'{name}: {m}'
            )


def test_without_gather_they_are_not(ranks):
    assert not torch.allclose(ranks[0]['without gather']['gate.0.weight'], gradients('bas', False)['gate.0.weight'], rtol=1e-3)


@pytest.mark.parametrize(
    ('difference', 'shapes'),
    [('uneven batches', '(2, 2, 3), (3, 2, 3)'), ('uneven grids', '(2, 2, 2), (2, 2, 3)')],
)
def test_ranks_of_other_shapes_are_an_error_on_each_and_no_deadlock(ranks, difference, shapes):
    for found in ranks:
        assert f'their shapes are {shapes}' in found[difference]
        assert 'gather=False' in found[difference]


def test_images_stand_in_the_order_of_ranks(ranks):
    for found in ranks:
        assert found['joined'].tolist() == [[0.0] * 3] * 2 + [[1.0] * 3] * 2


def test_one_process_has_nothing_to_join():
    values = torch.rand(3, 2)
    assert join_ranks(values) is values

"""Regions chosen by the truth: the bound that a gate can be measured against."""

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import PixelData
from torch import Tensor, nn

from ..checks import check_closed_share
from ..parts import build_part
from ..teachers import GateTeacher
from ..tokens import pad_to_multiple
from .gate_loss_hook import find_gated
from .host import host_of


class OracleHook(Hook):
    """Choose the regions of every image as a teacher says who sees its labels, in training and at test.

    No gate can do so on images without labels: it tells how much of what a mixed-scale model loses is the gate's choice. In
    each image the regions that deserve it most are fine; where the teacher finds them alike, chance decides.

    Args:
        teacher: a `GateTeacher` or its config, such as ``dict(type='msvit.LabelTeacher')``.
        fine_share: share of fine regions in each image, in [0, 1], rounded to whole regions.

    Raises:
        ValueError: the share is out of range; in the run: no mixed-scale backbone, or one that has a gate of its own.
    """

    def __init__(self, teacher: GateTeacher | dict[str, Any], fine_share: float):
        check_closed_share('fine_share', fine_share)
        self.teacher, self.fine_share = build_part(teacher, 'Teacher'), fine_share
        self._mask: Tensor | None = None

    def before_run(self, runner: Runner) -> None:
        """Look at every batch as it leaves the host's preprocessor, and hand its mask to the backbone."""
        host = host_of(runner)
        backbones = find_gated(host)
        if len(backbones) != 1 or backbones[0].gate is not None:
            raise ValueError('OracleHook takes the place of the gate: it needs one mixed-scale backbone, with gate=None')
        size = backbones[0].coarse_patch_size

        def look(_: nn.Module, __: tuple, data: dict[str, Any]) -> None:
            data = dict(data, inputs=pad_to_multiple(data['inputs'], size))
            data['data_samples'] = [_fitting(sample, data['inputs'].shape[-2:]) for sample in data['data_samples']]
            self._mask = _highest(self.teacher.targets(host, data, size), self.fine_share)

        def hand_over(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
            return args, dict(kwargs, fine_mask=self._mask)

        self._handles = (
            host.data_preprocessor.register_forward_hook(look),
            backbones[0].register_forward_pre_hook(hand_over, with_kwargs=True),
        )

    def after_run(self, runner: Runner) -> None:
        """Leave the host as it was."""
        for handle in self._handles:
            handle.remove()


def _fitting(sample: Any, size: torch.Size) -> Any:
    """The sample with its label map at the size of the network's input: at test it has that of the file."""
    if 'gt_sem_seg' not in sample or tuple(sample.gt_sem_seg.shape) == tuple(size):
        return sample
    labels = F.interpolate(sample.gt_sem_seg.data[None].float(), size=size, mode='nearest')[0]
    sample = sample.clone()
    sample.gt_sem_seg = PixelData(data=labels.to(sample.gt_sem_seg.data.dtype))
    return sample


def _highest(targets: Tensor, share: float) -> Tensor:
    """(B, Hc, Wc) bool: so many of each image's regions, those of the highest targets; unknown ones come last."""
    score = targets.nan_to_num(-1).flatten(1)
    chance = torch.rand_like(score).argsort(dim=1)
    # the last key sorts first: among equals, chance
    order = chance.gather(1, score.gather(1, chance).argsort(dim=1, descending=True, stable=True))
    rank = order.argsort(dim=1)
    return (rank < round(share * score.shape[1])).view(targets.shape)

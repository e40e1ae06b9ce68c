"""Bringing the gate's loss to the optimiser of any host model."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from ..backbones.gated import GatedBackbone
from ..losses import TeachingLoss
from .host import host_of

_MARK = 'collects_gate_losses'


class GateLossHook(Hook):
    """Add what mixed-scale backbones leave in ``pop_gate_losses`` to the host's losses, by extending its ``parse_losses``.

    Every OpenMMLab model passes its losses through ``parse_losses`` on the way to the optimiser and the log, wrapped in
    DDP or not; so the gate's terms are scaled, accumulated and logged as the host's own. Lessons of a `TeachingLoss` are
    taken from each training batch as it leaves the host's ``data_preprocessor``. Models without a gate are left as they are.
    """

    priority = 'HIGH'

    def before_train(self, runner: Runner) -> None:
        host = host_of(runner)
        backbones = find_gated(host)
        if not backbones or hasattr(host.parse_losses, _MARK):
            return
        host.parse_losses = _collecting(host.parse_losses, backbones)
        for backbone in backbones:
            for loss in backbone.modules():
                if isinstance(loss, TeachingLoss):
                    bring = _bringing(loss, host, backbone.coarse_patch_size)
                    host.data_preprocessor.register_forward_hook(bring, with_kwargs=True)


def find_gated(model: nn.Module) -> list[GatedBackbone]:
    """The mixed-scale backbones within a model, wrapped or not: they may leave losses of their gates."""
    return [module for module in model.modules() if isinstance(module, GatedBackbone)]


def _collecting(parse_losses: Callable, backbones: list[GatedBackbone]) -> Callable:
    def parse_with_gate_losses(losses: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        for backbone in backbones:
            losses = {**losses, **backbone.pop_gate_losses()}
        return parse_losses(losses)

    setattr(parse_with_gate_losses, _MARK, True)
    return parse_with_gate_losses


def _bringing(loss: TeachingLoss, host: nn.Module, coarse_patch_size: int) -> Callable:
    """A forward hook of a data preprocessor, which is called as (data, training)."""

    @torch.no_grad()
    def bring_lesson(_: nn.Module, args: tuple, kwargs: dict[str, Any], data: dict[str, Any]) -> None:
        if kwargs.get('training', args[1] if len(args) > 1 else False):
            loss.bring(loss.teacher.targets(host, data, coarse_patch_size))

    return bring_lesson

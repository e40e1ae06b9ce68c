"""Bringing the gate's loss to the optimiser of any host model."""

from collections.abc import Callable
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from ..registry import HOOKS


@HOOKS.register_module()
class GateLossHook(Hook):
    """Add what mixed-scale backbones leave in ``pop_gate_losses`` to the host's losses, by extending its ``parse_losses``.

    Every OpenMMLab model passes its losses through ``parse_losses`` on the way to the optimiser and the log, wrapped in
    DDP or not; so the gate's terms are scaled, accumulated and logged as the host's own. Models without a gate are left as
    they are.
    """

    priority = 'HIGH'

    def before_train(self, runner: Runner) -> None:
        host = runner.model.module if is_model_wrapper(runner.model) else runner.model
        backbones = find_gated(host)
        if not backbones or getattr(host.parse_losses, 'collects_gate_losses', False):
            return
        host.parse_losses = _collecting(host.parse_losses, backbones)


def find_gated(model: nn.Module) -> list[nn.Module]:
    """The mixed-scale backbones within a model, wrapped or not: they may leave losses of their gates."""
    return [module for module in model.modules() if hasattr(module, 'pop_gate_losses')]


def _collecting(parse_losses: Callable, backbones: list[nn.Module]) -> Callable:
    def parse_with_gate_losses(losses: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        for backbone in backbones:
            losses = {**losses, **backbone.pop_gate_losses()}
        return parse_losses(losses)

    parse_with_gate_losses.collects_gate_losses = True
    return parse_with_gate_losses

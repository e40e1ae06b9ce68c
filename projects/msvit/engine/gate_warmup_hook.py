"""A longer warm-up for what is trained from nothing."""

from typing import cast

from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from ..checks import check_count, check_positive
from .gate_loss_hook import find_gated


class GateWarmupHook(Hook):
    """Raise the learning rate of the gate and of its loss's priors slowly, under any schedule (section C.3).

    Their rate is that of the config's ``param_scheduler`` times a ramp from 0 to 1, linear in the iterations. It is a hook,
    because mmengine's schedulers build on the rates that they find and would carry the ramp on after its end. The gate needs
    parameter groups of its own, as the optim_wrapper's ``paramwise_cfg=dict(custom_keys={'gate': dict(lr_mult=1.0)})`` makes.

    Args:
        epochs: length of the ramp, > 0, may be a fraction.
        iters: the same in iterations, >= 1; give one of the two.

    Raises:
        ValueError: the length is not given once or not positive; at the start of training: the gate shares a parameter group
            with something else, or there is no gate to train.
    """

    priority = 'NORMAL'  # the schedulers, LOW, find the rates as they left them

    def __init__(self, epochs: float | None = None, iters: int | None = None):
        if (epochs is None) == (iters is None):
            raise ValueError('give the length of the warm-up either in epochs or in iters')
        if iters is not None:
            check_count('iters', iters, least=1)
        if epochs is not None:
            check_positive('epochs', epochs)
        self.epochs, self.iters = epochs, iters or 1
        self._groups: list[dict] = []
        self._rates: list[float] = []

    def before_train(self, runner: Runner) -> None:
        """Find the gate's parameter groups."""
        if self.epochs is not None:
            self.iters = max(1, round(self.epochs * len(runner.train_dataloader)))
        self._groups = _groups_of_gates(runner.model, cast(OptimWrapper, runner.optim_wrapper).param_groups)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        self._rates = [group['lr'] for group in self._groups]
        for group in self._groups:
            group['lr'] *= min(1.0, (runner.iter + 1) / self.iters)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        for group, rate in zip(self._groups, self._rates, strict=True):
            group['lr'] = rate


def _groups_of_gates(model: nn.Module, groups: list[dict]) -> list[dict]:
    """The parameter groups that hold trained parameters of gates and their losses, and nothing else."""
    parts = [part for backbone in find_gated(model) for part in (backbone.gate, backbone.gate_loss) if part is not None]
    gated = {id(parameter) for part in parts for parameter in part.parameters() if parameter.requires_grad}
    if not gated:
        raise ValueError('GateWarmupHook finds no gate to train: remove it from custom_hooks, or give the backbone a gate')
    found = []
    for group in groups:
        shares = {id(parameter) in gated for parameter in group['params']}
        if len(shares) == 2:
            raise ValueError(
                'the gate shares a parameter group with other parameters, so it cannot have a warm-up of its own: give the '
                "optim_wrapper paramwise_cfg=dict(custom_keys={'gate': dict(lr_mult=1.0)})"
            )
        if shares == {True}:
            found.append(group)
    return found

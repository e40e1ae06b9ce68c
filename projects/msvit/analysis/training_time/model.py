"""Training steps of a config's model, plain and in each layout: Table 5."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from torch import Tensor

from ...backbones import MSSwin
from ...tokens import Layout
from ..model import AnalysedModel
from .batches import Batches
from .steps import StepCost, measure_steps

PLAIN: Final = 'plain'


def layouts_of(model: AnalysedModel) -> tuple[Layout, ...]:
    """The layouts in which a model can train; windows, as of Swin, have no longest sequence to trim to."""
    return ('masked', 'packed') if isinstance(model.backbone, MSSwin) else ('masked', 'trimmed', 'packed')


def time_training(model: AnalysedModel, batches: Batches, rounds: int = 7, seed: int = 0) -> dict[str, StepCost]:
    """Time and memory of a training step of one model: plain, masked (the paper's full), trimmed (its AT), packed.

    The optimiser is the config's, at a learning rate of 0: all steps do their whole work on the same weights, so that the
    gate, and with it the tokens, stay as they are. Plain is the model without gate and gate loss.

    Args:
        model: with a gate; is in training mode afterwards.
        batches: all variants see the same.
        rounds: timed steps of each, >= 1.
        seed: of the gate's draws.

    Raises:
        ValueError: the model has no gate.
    """
    backbone = model.backbone
    if backbone.gate is None:
        raise ValueError('the model has no gate, so it trains in one way only: name a config with a gate')
    model.model.train()
    with _quiet():  # a line or four for every parameter
        optimiser = build_optim_wrapper(model.model, model.cfg.optim_wrapper)
    for group in optimiser.param_groups:
        group['lr'] = 0.0
    layouts, decisions = layouts_of(model), []
    gate, gate_loss, train_layout = backbone.gate, backbone.gate_loss, backbone.train_layout
    hook = gate.register_forward_hook(lambda module, images, output: decisions.append(output.fine_mask))

    def step_in(layout: Layout | Literal['plain']) -> Callable[[int], float | Tensor]:
        def step(number: int) -> float | Tensor:
            data = batches.items[number % len(batches.items)]
            backbone.gate, backbone.gate_loss = (None, None) if layout == PLAIN else (gate, gate_loss)
            backbone.train_layout = layouts[1] if layout == PLAIN else layout  # masked would hold coarse candidates
            with optimiser.optim_context(model.model):
                losses = model.model(**data, mode='loss')
                loss, _ = model.model.parse_losses({**losses, **backbone.pop_gate_losses()})
            optimiser.update_params(loss)
            grid = backbone.grid(data['inputs'])
            if layout == PLAIN:
                return grid.num_fine
            return grid.active(decisions.pop()).sum(dim=1).float().mean()

        return step

    try:
        return measure_steps({layout: step_in(layout) for layout in (PLAIN, *layouts)}, rounds, seed=seed)
    finally:
        hook.remove()
        backbone.gate, backbone.gate_loss, backbone.train_layout = gate, gate_loss, train_layout


@contextmanager
def _quiet() -> Iterator[None]:
    """No log below errors."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)

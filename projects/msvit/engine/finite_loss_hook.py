"""Ending a training whose loss is no number any more."""

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

PATIENCE = 20  # steps in a row that a loss scaler may skip: forward passes in half precision overflow now and then


class FiniteLossHook(Hook):
    """Stop where a term of the loss is NaN or infinite, with the files that it comes from.

    It reads what mmengine's ``RuntimeInfoHook`` has brought from the device for the log, and waits for nothing itself. The
    command-line tools add it to every run.

    Raises:
        FloatingPointError: the loss is not finite; with a loss scaler, which skips such steps, that often in a row.
    """

    priority = 'HIGH'  # after RuntimeInfoHook, before anything that saves

    def __init__(self) -> None:
        self._skipped = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        logged = {name: runner.message_hub.get_scalar(f'train/{name}').current() for name in outputs or {} if 'loss' in name}
        wrong = {name: value for name, value in logged.items() if not math.isfinite(value)}
        if not wrong:
            self._skipped = 0
            return
        self._skipped += 1
        if hasattr(runner.optim_wrapper, 'loss_scaler') and self._skipped < PATIENCE:
            return
        terms = ', '.join(f'{name} = {value}' for name, value in wrong.items())
        raise FloatingPointError(
            f'the loss is not finite in iteration {runner.iter + 1}: {terms}. '
            f'The batch: {_files(data_batch)}. Nothing has been saved since; after a look at these files, or with a smaller '
            'learning rate or clipped gradients (optim_wrapper.clip_grad), --resume goes on from the last checkpoint'
        )


def _files(data_batch: Any) -> str:
    samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
    files = [getattr(sample, 'img_path', None) for sample in samples or ()]
    return ', '.join(str(file) for file in files if file) or 'of unknown files'

"""Whether a kill has cost a training one of its validations, and with it perhaps its best checkpoint."""

from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

_VALIDATED = 'iter_of_validation'  # LogProcessor logs what begins with val


def note_validation(runner: Runner) -> None:
    """Let the checkpoints from now on tell that the weights of this iteration have been validated."""
    runner.message_hub.update_info(_VALIDATED, runner.iter)


def validation_was_lost(runner: Runner) -> bool:
    """Tell whether the checkpoint that a resumed run goes on from was followed by a validation of which it knows nothing.

    mmengine saves first and validates then, and a resumed run begins with the next iteration. A validation that ended without
    a new best checkpoint is in none either; it would only repeat what it found.

    Args:
        runner: at the start of its training, resumed or not.
    """
    loop = runner.train_loop
    if runner.val_loop is None or not isinstance(loop, EpochBasedTrainLoop | IterBasedTrainLoop):
        return False
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    step, last = (runner.epoch, loop.max_epochs) if by_epoch else (runner.iter, loop.max_iters)
    loop._decide_current_val_interval()
    due = step >= max(loop.val_begin, 1) and (step % loop.val_interval == 0 or step == last)
    return due and runner.message_hub.runtime_info.get(_VALIDATED) != runner.iter

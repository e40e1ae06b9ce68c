"""Saving checkpoints so that a kill, another run or a diverged model costs none."""

from pathlib import Path
from typing import Any, cast

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import BaseLoop, Runner

from ..atomic_write import atomic_write, remove_stumps
from ..checkpoints.finite import not_finite
from .lost_validation import note_validation, validation_was_lost
from .own_checkpoints import BACKEND, OwnCheckpoints
from .run_lock import RunLock


class SafeCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, made safe where checkpoints go to a local folder.

    A checkpoint appears only when it is complete and on disk; an outdated or formerly best one is removed after its
    successor has been written, and only if it lies directly in the folder of this run, whatever a resumed checkpoint says.
    Where a kill came between a checkpoint and its validation, the resumed run begins with that: it may have been the best.
    Weights that are not finite are never saved, and another training in the same work dir is refused. The command-line tools
    put it in the place of a plain ``CheckpointHook``.
    """

    def before_train(self, runner: Runner) -> None:
        """Takes possession of the work dir.

        Raises:
            RuntimeError: another training is in it.
        """
        self._lock = RunLock(Path(runner.work_dir)) if is_main_process() else None
        folder = self._folder(runner)
        own = {'backend': BACKEND, 'folder': folder}
        self._safe = '://' not in folder and self.file_client_args is None and self.backend_args in (None, own)
        if self._safe:
            self.backend_args = own
            _own_best(runner, Path(folder))
        super().before_train(runner)
        self._tidy()
        if self._safe and is_main_process():
            for place in {folder, runner.work_dir}:
                remove_stumps(Path(place))
        if self.save_best and validation_was_lost(runner):
            # without it mmengine would not save again after a new best, and the next resume would not know of it
            self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
            cast(BaseLoop, runner.val_loop).run()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any]) -> None:
        note_validation(runner)
        super().after_val_epoch(runner, metrics)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Looks at the weights, those that an ``EMAHook`` keeps too.

        Raises:
            FloatingPointError: some are NaN or infinite.
        """
        wrong = not_finite({**checkpoint.get('ema_state_dict', {}), **checkpoint['state_dict']})
        if wrong:
            raise FloatingPointError(
                f'the weights are not finite in iteration {checkpoint["meta"]["iter"]}: {", ".join(wrong[:3])}, {len(wrong)} '
                'tensors in all. They are not saved; with a smaller learning rate or clipped gradients '
                '(optim_wrapper.clip_grad), --resume goes on from the last checkpoint'
            )

    def after_train(self, runner: Runner) -> None:
        super().after_train(runner)
        if self._lock is not None:
            self._lock.release()

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        """mmengine's, except that ``last_checkpoint`` is replaced whole, not written in place."""
        if not self._safe:
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        self._outdate(runner, step)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(self.out_dir) / name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            with atomic_write(Path(runner.work_dir) / 'last_checkpoint') as partial:
                partial.write_text(self.last_ckpt, encoding='utf-8')
        self._tidy()

    def _outdate(self, runner: Runner, step: int) -> None:
        """Count a new checkpoint, and note the one that is then too many: `_tidy` removes it."""
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return
        if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
            outdated = Path(self.out_dir) / self.filename_tmpl.format(self.keep_ckpt_ids.popleft())
            if is_main_process() and self.file_backend.isfile(outdated):
                self.file_backend.remove(outdated)
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        super()._save_best_checkpoint(runner, metrics)
        self._tidy()

    def _folder(self, runner: Runner) -> str:
        """Tell where mmengine will save: a given ``out_dir`` gets a subfolder for each run."""
        if self.out_dir in (None, runner.work_dir):
            return runner.work_dir
        return f'{self.out_dir}/{Path(runner.work_dir).name}'

    def _tidy(self) -> None:
        if self._safe:
            cast(OwnCheckpoints, self.file_backend).remove_outdated()


def _own_best(runner: Runner, folder: Path) -> None:
    """Let the best checkpoint that a resumed one tells of be this run's, also in a work dir that was moved."""
    names = [name for name in runner.message_hub.runtime_info if name.startswith('best_ckpt')]
    for name in names:
        path = folder / Path(str(runner.message_hub.get_info(name))).name
        if path.name.startswith('best_') and path.is_file():
            runner.message_hub.update_info(name, str(path))
        else:
            runner.message_hub.pop_info(name)

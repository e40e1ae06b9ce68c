"""Saving checkpoints so that a kill, another run or a diverged model costs none."""

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ..checkpoints.finite import not_finite
from ..registry import HOOKS
from .own_checkpoints import BACKEND
from .run_lock import RunLock


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, made safe where checkpoints go to a local folder.

    A checkpoint appears only when it is complete and on disk; an outdated or formerly best one is removed after its
    successor has been written, and only if it lies directly in the folder of this run, whatever a resumed checkpoint says.
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
            self.file_backend.remove_stumps()

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
        super()._save_checkpoint_with_step(runner, step, meta)
        self._tidy()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        super()._save_best_checkpoint(runner, metrics)
        self._tidy()

    def _folder(self, runner: Runner) -> str:
        """Where mmengine will save: a given ``out_dir`` gets a subfolder for each run."""
        if self.out_dir in (None, runner.work_dir):
            return runner.work_dir
        return f'{self.out_dir}/{Path(runner.work_dir).name}'

    def _tidy(self) -> None:
        if self._safe:
            self.file_backend.remove_outdated()


def _own_best(runner: Runner, folder: Path) -> None:
    """Let the best checkpoint that a resumed one tells of be this run's, also in a work dir that was moved."""
    names = [name for name in runner.message_hub.runtime_info if name.startswith('best_ckpt')]
    for name in names:
        path = folder / Path(str(runner.message_hub.get_info(name))).name
        if path.name.startswith('best_') and path.is_file():
            runner.message_hub.update_info(name, str(path))
        else:
            runner.message_hub.pop_info(name)

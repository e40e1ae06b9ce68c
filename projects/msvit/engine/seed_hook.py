"""A resumed training continues as if it had never stopped."""

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from msvit.datasets.seeding import SeedSample, seed_everything


class IterationSeedHook(Hook):
    """Seed the generators at each training iteration from (the run's seed, the iteration, the rank).

    Dropout, drop path and the gate's noise then depend on nothing else: there is no generator state to save, and neither a
    resume nor a validation in between changes the losses. The data's share is done by :mod:`msvit.datasets.seeding`.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Say so where the augmentations would not be repeated after a resume."""
        transforms = getattr(getattr(runner.train_dataloader.dataset, 'pipeline', None), 'transforms', ())
        if not any(isinstance(transform, SeedSample) for transform in transforms):
            runner.logger.warning(
                'The training pipeline has no msvit.SeedSample: after a resume the random augmentations, and so the losses, '
                'differ from those of an uninterrupted run (see msvit.datasets.seeding).'
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Seed for the iteration that is about to run."""
        seed_everything(runner.seed, runner.iter, get_rank())

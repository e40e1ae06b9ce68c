"""A conversion from the door to the trained mixed-scale model."""

from copy import deepcopy
from pathlib import Path
from typing import Any, cast

from mmengine.config import Config
from mmengine.registry import DATASETS

from ..analysis.sweep.results import last_checkpoint
from ..backbones import MSViT
from ..checkpoints import save_weights
from ..checkpoints.files import local_file
from ..checkpoints.publish import publish_weights
from ..engine.launch import build_runner, set_resume
from .configs import mixed_config, training_config, with_test_data, without_labels
from .dense import choose_teacher, load_dense
from .folder import ConversionFolder
from .images import ImageSplit
from .schedule import default_iters


class Conversion:
    """From a trained dense model to a mixed-scale one.

    Args:
        config: of the dense model.
        checkpoint: file, address or ``msvit://`` name of its weights, see `load_dense`.
        target: wanted share of fine regions, in (0, 1).
        out: folder for the results.
        images: to learn from without labels; None: the config's training data, with labels.
        iters: training steps; None: see `default_iters`.
        teach_iters: steps in which the gate alone is taught; None: as many as its teacher wants, `GateTeacher.iters`.

    Raises:
        FileNotFoundError: a checkpoint or data are not there.
        CheckpointError: the checkpoint is none of the dense model.
        ValueError: the model cannot be converted so.
    """

    def __init__(
        self,
        config: Config,
        checkpoint: str,
        target: float,
        out: Path,
        images: ImageSplit | None = None,
        iters: int | None = None,
        teach_iters: int | None = None,
    ):
        if not 0 < target < 1:
            raise ValueError(f'target is the wanted share of fine regions and must lie in (0, 1), got {target}')
        self.folder, self.images, self._given = ConversionFolder(out), images, str(local_file(checkpoint).resolve())
        self.dense_config = with_test_data(config)
        self._dense, renamed = load_dense(self.dense_config, self._given)
        self.dense_checkpoint = str(self.folder.dense) if renamed else self._given
        teacher = choose_teacher(self._dense, labels=images is None)
        self._teaching: dict[str, Any] = dict(
            target=target,
            teach_iters=teach_iters,
            teacher=teacher,
        )
        self.mixed_config = mixed_config(self.dense_config, cast(MSViT, self._dense.backbone), self.folder.checkpoint)
        loader = self.dense_config.train_dataloader
        count = len(images.training) if images else len(DATASETS.build(deepcopy(loader.dataset)))
        self.iters = iters or default_iters(count, loader.batch_size)
        self.training_config = self._training_config(self.folder, self.dense_checkpoint)

    def begin(self, resume: bool = False, overwrite: bool = False) -> None:
        """Make the folder ready, see `ConversionFolder.begin`; write what the training needs, and the mixed config."""
        # a folder that has been moved since is the same
        settings = self._training_config(ConversionFolder(Path()), self._given).to_dict()
        files = [str(file) for file in self.images.training] if self.images else None
        self.folder.begin({**settings, 'images': files}, resume, overwrite)
        if files:
            self.folder.image_list.write_text(''.join(f'{file}\n' for file in files), encoding='utf-8')
        if self.dense_checkpoint != self._given:
            save_weights(self._dense.model, self.folder.dense)
        self.mixed_config.dump(self.folder.config)

    def train(self, resume: bool = False) -> None:
        """Teach the gate, train the model and write its checkpoint, unless that is done already.

        Args:
            resume: go on from the latest checkpoint of an interrupted training. Before the first one it starts afresh, the
                teaching of the gate included.
        """
        if self.folder.checkpoint.is_file():
            return
        cfg = deepcopy(self.training_config)
        if resume:
            set_resume(cfg, 'auto')
        build_runner(cfg, whole_checkpoint=cfg.resume).train()
        trained = last_checkpoint(self.folder.training)
        assert trained is not None  # the training has just ended
        named = publish_weights(trained, self.folder.checkpoint, config=self.folder.config.name, overwrite=True)
        named.replace(self.folder.checkpoint)
        self.folder.forget_training()

    def _training_config(self, folder: ConversionFolder, checkpoint: str) -> Config:
        cfg = training_config(self.mixed_config, checkpoint, iters=self.iters, work_dir=folder.training, **self._teaching)
        return without_labels(cfg, self._dense.segments, folder.image_list, checkpoint) if self.images else cfg

"""Pictures of scales and predictions at every validation and test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmengine.runner import BaseLoop, Runner
from mmengine.visualization import LocalVisBackend
from PIL import Image
from torch import Tensor

from ..backbones.gated import GatedBackbone
from ..checks import check_path, is_count
from ..images import resize
from ..scale_map import draw_scale_map, draw_segmentation, fit_to_display, panel
from .gate_loss_hook import find_gated
from .host import host_of


class ScaleMapHook(Hook):
    """Draw image, scale map, prediction and ground truth of the first images of every validation and test.

    The pictures go to ``<work dir>/<time stamp>/<out_dir>/iter_<iteration>/`` (``test/`` in tests), one PNG each, and to the
    visualizer's back ends such as TensorBoard. They have the aspect of the original image, however the test pipeline
    resized it.

    The backbone decides once more, on the whole input of the model. The gate looks at one region at a time, so under sliding
    inference this shows the same decisions as long as the windows start on the region grid; a ``budget``, though, then counts
    regions of the whole image, not of a window.

    Args:
        images: how many images to draw each time, >= 1.
        out_dir: name of the folder for the pictures.

    Raises:
        ValueError: ``images`` is less than 1, or ``out_dir`` empty.
        TypeError: ``out_dir`` is no name.
    """

    priority = 'LOW'

    def __init__(self, images: int = 8, out_dir: str = 'scale_maps'):
        if not is_count(images, 1):
            raise ValueError(f'images must be an int of at least 1, got {images!r}: for no pictures leave the hook out')
        check_path('out_dir', out_dir)
        self.images, self.out_dir = images, out_dir
        self._drawn = 0
        self._backbone: GatedBackbone | None = None

    def before_run(self, runner: Runner) -> None:
        """Find the backbone, and say so where there is nothing to draw."""
        host = host_of(runner)
        self._backbone = next(iter(find_gated(host)), None)
        if self._backbone is None:
            runner.logger.warning('ScaleMapHook draws nothing: the model has no mixed-scale backbone.')
        elif isinstance(host, BaseTTAModel):
            self._backbone = None
            runner.logger.warning('ScaleMapHook draws nothing: under test-time augmentation an image has many scale maps.')

    def before_val_epoch(self, runner: Runner) -> None:
        self._drawn = 0

    def before_test_epoch(self, runner: Runner) -> None:
        self._drawn = 0

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: Sequence | None = None
    ) -> None:
        self._draw_batch(runner, f'iter_{_iteration(runner)}', data_batch, outputs)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: Sequence | None = None
    ) -> None:
        self._draw_batch(runner, 'test', data_batch, outputs)

    def _draw_batch(self, runner: Runner, occasion: str, data_batch: dict | None, outputs: Sequence | None) -> None:
        if self._backbone is None or not data_batch or not outputs or not is_main_process():
            return
        for i, sample in enumerate(outputs[: self.images - self._drawn]):
            # One image at a time, as slices: the batch may be lists or a tensor.
            one = {key: values[i : i + 1] for key, values in data_batch.items()}
            name = f'{self._drawn:02}_{Path(sample.metainfo.get("img_path") or "image").stem}'
            picture = self._draw(host_of(runner), self._backbone, one, sample, runner.visualizer.dataset_meta or {})
            file = Path(runner.log_dir) / self.out_dir / occasion / f'{name}.png'
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file)
            for backend in runner.visualizer._vis_backends.values():
                if not isinstance(backend, LocalVisBackend):  # that one would write the same files again
                    backend.add_image(f'{self.out_dir}/{name}', picture, _iteration(runner))
            self._drawn += 1

    @torch.no_grad()
    def _draw(self, host: Any, backbone: GatedBackbone, data_batch: dict, sample: Any, dataset_meta: dict) -> np.ndarray:
        raw = data_batch['inputs'][0]
        inputs = host.data_preprocessor(data_batch, False)['inputs']
        size = backbone.coarse_patch_size
        height, width = raw.shape[-2:]
        mask = backbone.decide(inputs).fine_mask[0]
        mask = mask[: -(-height // size), : -(-width // size)]  # without what the preprocessor padded
        image = resize(_to_rgb(raw), sample.metainfo.get('ori_shape', (height, width))[:2])
        image = fit_to_display(image)

        scales = draw_scale_map(image, mask.cpu(), backbone.patch_size, size, (height, width))
        pictures = {'image': image, f'scales: {mask.float().mean():.0%} of regions fine': scales}
        for key, title in (('pred_sem_seg', 'prediction'), ('gt_sem_seg', 'ground truth')):
            if key in sample:
                labels = resize(_to_labels(sample.get(key).data), image.shape[:2])
                pictures[title] = draw_segmentation(image, labels, dataset_meta['palette'])
        return panel(list(pictures.values()), list(pictures))


def _iteration(runner: Runner) -> int:
    """``runner.iter``, which would load the training data in a run that only validates or tests."""
    return runner.iter if isinstance(runner._train_loop, BaseLoop) else 0


def _to_rgb(raw: Tensor) -> np.ndarray:
    """A picture from a pipeline's output, which is (3, H, W) in 0..255, BGR, as OpenMMLab loads images."""
    return raw.flip(0).permute(1, 2, 0).clamp(0, 255).byte().cpu().numpy()


def _to_labels(labels: Tensor) -> np.ndarray:
    """(H, W) int32 from (1, H, W)."""
    return labels[0].int().cpu().numpy()

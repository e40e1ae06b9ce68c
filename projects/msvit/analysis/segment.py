"""Segmenting single images with a trained model, and counting what each one cost."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmseg.registry import DATASETS

from ..backbones import TokenTrace
from .load_model import load_model
from .macs import backbone_macs
from .scale_map import resize

MAX_SCORED_PIXELS = 2**21  # class scores of 24-megapixel photos would fill the memory


@dataclass(frozen=True)
class Segmentation:
    """What a model said about an image.

    Args:
        labels: (H, W) int32, class indices at the image's own size.
        fine_mask: (Hc, Wc) bool, the decision on the whole input of the network.
        input_shape: (height, width) of that input in pixels.
        inputs: how often the backbone ran: once, or once for each sliding window.
        tokens: sum over these runs, without prefix tokens.
        dense_tokens: the same with every region fine.
        gmacs: of the backbone, gate and embedding included, decoder not; sum over these runs, in 1e9.
    """

    labels: np.ndarray
    fine_mask: np.ndarray
    input_shape: tuple[int, int]
    inputs: int
    tokens: int
    dense_tokens: int
    gmacs: float


class ImageSegmenter:
    """A trained mmseg model with a mixed-scale backbone, applied to images one by one.

    Args:
        cfg: config of the model; its test pipeline prepares the images.
        checkpoint: file or address of the whole model's weights, read without running code.
        device: e.g. ``'cpu'``, ``'cuda'``.
        threshold: replaces the gate's, in [0, 1]; None keeps it.
        budget: replaces the gate's: at most so many fine regions (int) or such a share of them (float); None keeps it.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        CheckpointError: the checkpoint cannot be read or does not fit the model.
        ValueError: the model has no mixed-scale backbone, or its gate knows no threshold and budget.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str | Path,
        device: str = 'cpu',
        threshold: float | None = None,
        budget: int | float | None = None,
    ):
        self.model = load_model(cfg, checkpoint).to(device)
        self.backbone = next((module for module in self.model.modules() if hasattr(module, 'decide')), None)
        if self.backbone is None:
            raise ValueError('the model of this config has no mixed-scale backbone (msvit.MSViT)')
        self._set_gate(threshold=threshold, budget=budget)
        dataset = cfg.test_dataloader.dataset
        self.palette = _palette(dataset, self.model.decode_head.num_classes)
        steps = [step for step in dataset.pipeline if step['type'] != 'LoadAnnotations']
        if 'LoadImage' not in steps[0]['type']:
            raise ValueError(f'the test pipeline must begin with loading the image, not with {steps[0]["type"]}')
        self._pipeline = Compose([dict(type='LoadImageFromNDArray'), *steps[1:]])
        self._trace = TokenTrace()

    @torch.no_grad()
    def __call__(self, image: np.ndarray) -> Segmentation:
        """Segment an (H, W, 3) uint8 RGB image of any size.

        Scores of images above 2 megapixels are computed at 2 megapixels, and their labels enlarged.
        """
        data = self._pipeline(dict(img=np.ascontiguousarray(image[..., ::-1])))  # BGR, as OpenMMLab loads files
        sample, input_shape = data['data_samples'], tuple(data['inputs'].shape[-2:])
        shape = image.shape[:2]
        shrink = min(1, (MAX_SCORED_PIXELS / (shape[0] * shape[1])) ** 0.5)
        sample.set_metainfo(dict(ori_shape=tuple(max(1, round(side * shrink)) for side in shape)))
        batch = dict(inputs=[data['inputs']], data_samples=[sample])

        self._trace.drain()
        labels = self.model.test_step(batch)[0].pred_sem_seg.data[0].int().cpu().numpy()
        runs = self._trace.drain()
        decision = self.backbone.decide(self.model.data_preprocessor(batch, False)['inputs'])
        rows, columns = (-(-side // self.backbone.coarse_patch_size) for side in input_shape)
        return Segmentation(
            labels=resize(labels, shape),
            fine_mask=decision.fine_mask[0, :rows, :columns].cpu().numpy(),
            input_shape=input_shape,
            inputs=sum(len(run.counts) for run in runs),
            tokens=sum(int(run.counts.sum()) for run in runs),
            dense_tokens=sum(run.grid.num_fine * len(run.counts) for run in runs),
            gmacs=sum(float(backbone_macs(*run).total.sum()) for run in runs) / 1e9,
        )

    def _set_gate(self, **settings: float | None) -> None:
        gate = self.backbone.gate
        for name, value in settings.items():
            if value is None:
                continue
            if not hasattr(gate, name):
                kind = 'no gate' if gate is None else f'a {type(gate).__name__}'
                raise ValueError(f'{name} cannot be set: the model has {kind}, which does not know it')
            setattr(gate, name, value)


def _palette(dataset: dict, num_classes: int) -> np.ndarray:
    """The data set's colours, or mmseg's random ones where it has none."""
    metainfo = {**DATASETS.get(dataset['type']).METAINFO, **dataset.get('metainfo', {})}
    palette = metainfo.get('palette') or np.random.RandomState(42).randint(0, 255, (max(2, num_classes), 3))
    return np.asarray(palette, dtype=np.uint8)

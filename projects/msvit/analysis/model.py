"""A config's model under analysis: built, with or without trained weights, and shown images."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..backbones.gated import GatedBackbone
from ..engine.load_model import build_model, load_model
from ..gates import BaseGate, GateOutput


class AnalysedModel:
    """A classifier or segmentor with a mixed-scale backbone, in evaluation mode.

    Args:
        cfg: of mmpretrain or mmseg, as its ``default_scope`` says.
        checkpoint: file, address or ``msvit://`` name of the whole model's weights, read without running code. None: random
            weights, for what does not depend on them.
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
        checkpoint: str | Path | None = None,
        device: str | torch.device = 'cpu',
        threshold: float | None = None,
        budget: int | float | None = None,
    ):
        model = build_model(cfg) if checkpoint is None else load_model(cfg, checkpoint)
        model.to(device)
        self.cfg, self.model, self.device = cfg, model, torch.device(device)
        backbone = next((module for module in model.modules() if isinstance(module, GatedBackbone)), None)
        if backbone is None:
            raise ValueError(
                'the model of this config has no backbone of msvit. A plain ViT or Swin can be built as one, with the same '
                "weights: type='msvit.MSViT' or 'msvit.MSSwin' without a gate"
            )
        self.backbone: GatedBackbone = backbone
        self._set_gate(threshold=threshold, budget=budget)

    @property
    def segments(self) -> bool:
        """Whether the model labels pixels, not images."""
        return hasattr(self.model, 'decode_head')

    @property
    def detects(self) -> bool:
        """Whether the model gives boxes."""
        return not self.segments and not hasattr(self.model, 'head')

    @property
    def num_classes(self) -> int:
        self.require_classes()
        return cast(Any, self.model.decode_head if self.segments else self.model.head).num_classes

    def require_classes(self) -> None:
        """Raise ValueError for a detector, which gives boxes and no classes of images or pixels."""
        if self.detects:
            raise ValueError(
                f'a {type(self.model).__name__} gives boxes; this reads classes of images or pixels. `msvit macs`, latency, '
                'masks and peers know detectors; tools/train.py and tools/test.py count their tokens and draw scale maps'
            )

    def forward(self, inputs: Tensor) -> Tensor:
        """Class scores before softmax, (B, classes) or (B, classes, h, w) in the resolution of the head.

        A detector gives what its heads do, of whole inputs without padding.

        Args:
            inputs: (B, 3, H, W), normalised as the data preprocessor does.
        """
        return self.model(inputs, _unpadded(inputs) if self.detects else None, mode='tensor')

    @torch.inference_mode()
    def predict(self, inputs: Tensor) -> np.ndarray:
        """Tell what the model says of one network input, as its own test does (sliding windows included).

        Args:
            inputs: (1, 3, H, W), normalised as the data preprocessor does.

        Returns:
            Class indices (H, W) of a segmentor, probabilities (classes,) of a classifier.
        """
        (result,) = self.model(inputs, mode='predict')
        return (result.pred_sem_seg.data[0].int() if self.segments else result.pred_score.float()).cpu().numpy()

    @torch.inference_mode()
    def decide(self, inputs: Tensor, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Tell what the gate says of one whole network input.

        Args:
            inputs: (1, 3, H, W), normalised as the data preprocessor does.
            shape: (height, width) of the image in it, in pixels, without padding.

        Returns:
            p_fine (Hc, Wc) float and fine_mask (Hc, Wc) bool of the regions that cover the image.
        """
        rows, columns = (-(-side // self.backbone.coarse_patch_size) for side in shape)
        p_fine, fine_mask = (part[0, :rows, :columns].cpu().numpy() for part in self.backbone.decide(inputs))
        return p_fine, fine_mask

    def _set_gate(self, **settings: float | None) -> None:
        gate = self.backbone.gate
        for name, value in settings.items():
            if value is None:
                continue
            if not hasattr(gate, name):
                kind = 'no gate' if gate is None else f'a {type(gate).__name__}'
                raise ValueError(f'{name} cannot be set: the model has {kind}, which does not know it')
            setattr(gate, name, value)


@contextmanager
def all_fine(backbone: GatedBackbone) -> Iterator[nn.Module]:
    """Every region fine within this context, and no gate that costs: the dense model of the same weights."""
    gate, backbone.gate = backbone.gate, None
    try:
        yield backbone
    finally:
        backbone.gate = gate


@contextmanager
def overruled(backbone: GatedBackbone, fine_mask: Tensor) -> Iterator[nn.Module]:
    """The same decisions for every input within this context; the gate still runs, and costs what it costs.

    Args:
        backbone: of any model; whole inputs of one size must come, no sliding windows.
        fine_mask: (B, Hc, Wc) bool.
    """
    gate = backbone.gate
    backbone.gate = _OverruledGate(gate, fine_mask, backbone.coarse_patch_size)
    try:
        yield backbone
    finally:
        backbone.gate = gate


def _unpadded(inputs: Tensor) -> list[BaseDataElement]:
    """Tell what detectors of two stages ask of their inputs."""
    return [BaseDataElement(metainfo=dict(img_shape=tuple(inputs.shape[-2:]))) for _ in inputs]


class _OverruledGate(BaseGate):
    def __init__(self, gate: BaseGate | None, fine_mask: Tensor, coarse_patch_size: int):
        super().__init__(coarse_patch_size)
        self.gate, self.fine_mask = gate, fine_mask

    def forward(self, images: Tensor) -> GateOutput:
        if self.gate is not None:
            self.gate(images)
        return GateOutput(self.fine_mask.to(images.dtype), self.fine_mask)

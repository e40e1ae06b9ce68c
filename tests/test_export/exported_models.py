"""Tiny models with random weights, and their exported files."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from filelock import FileLock
from shipped_configs import load_config
from torch import nn

from msvit.analysis.model import AnalysedModel
from msvit.export import describe_model, write_onnx
from msvit.runtime import ModelInfo, OnnxModel

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


class Exported(NamedTuple):
    """A model, its file, and the file as it runs."""

    model: AnalysedModel
    path: Path
    file: OnnxModel

    @property
    def info(self) -> ModelInfo:
        return self.file.info


def tiny_model(perturb: Callable[[nn.Module], nn.Module], name: str, **settings) -> AnalysedModel:
    """A config's model with one block and a gate that makes about half of all regions fine."""
    cfg = load_config(name, **{'model.backbone.arch.depth': 1, **settings})
    torch.manual_seed(0)
    model = AnalysedModel(cfg)
    perturb(model.model)
    if model.backbone.gate is not None:
        noise = torch.from_numpy(noisy_image(256, 256)).permute(2, 0, 1)[None] / 127.5 - 1
        model.backbone.gate.calibrate(noise, 0.5)
    return model


def noisy_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8 noise, stronger in some places than in others."""
    rng = np.random.default_rng(seed)
    strength = np.repeat(np.repeat(rng.random((height // 16 + 1, width // 16 + 1, 1)), 16, 0), 16, 1)[:height, :width]
    return (127.5 + 127.5 * strength * rng.uniform(-1, 1, (height, width, 3))).astype(np.uint8)


def export(model: AnalysedModel, path: Path, **options) -> Exported:
    """Write a model's file, unless another process of the tests has done so."""
    with FileLock(f'{path}.lock'):
        if not path.exists():
            write_onnx(model, describe_model(model, **options), path)
    return Exported(model, path, OnnxModel(path, threads=1))

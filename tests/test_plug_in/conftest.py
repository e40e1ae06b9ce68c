"""Configs of the project with random weights on disk, and an image, for the interfaces of the host libraries."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from PIL import Image

from msvit.engine.load_model import build_model

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture(autouse=True)
def always(safe_loading):
    """Every test here starts with the README's line."""


@pytest.fixture
def trained(tmp_path, perturb):
    """Make (config file, checkpoint, model): the model has random weights, the checkpoint is one that a run would write."""

    def make(name: str) -> tuple[str, str, torch.nn.Module]:
        path = CONFIGS / name
        torch.manual_seed(0)
        model = perturb(build_model(Config.fromfile(path)))
        count = (model.decode_head if hasattr(model, 'decode_head') else model.head).num_classes
        palette = [[20 * i, 0, 0] for i in range(count)]
        meta = {'dataset_meta': {'classes': [f'class {i}' for i in range(count)], 'palette': palette}}
        history = {'loss': HistoryBuffer([np.float32(1)], [1])}
        torch.save({'state_dict': model.state_dict(), 'meta': meta, 'message_hub': history}, tmp_path / 'a.pth')
        return str(path), str(tmp_path / 'a.pth'), model

    return make


@pytest.fixture
def photo(tmp_path) -> tuple[str, np.ndarray]:
    """An image of 40x56 pixels as a file, and as the BGR array that mmcv reads from it."""
    rgb = np.random.default_rng(0).integers(256, size=(40, 56, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / 'photo.png')
    return str(tmp_path / 'photo.png'), rgb[..., ::-1].copy()

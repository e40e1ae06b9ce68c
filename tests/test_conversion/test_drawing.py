"""Pictures of a conversion."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from msvit.analysis.model import AnalysedModel
from msvit.analysis.samples import Sample
from msvit.conversion.drawing import draw_curve, draw_scales
from msvit.conversion.measuring import Reached
from msvit.conversion.sweep import Setting

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def test_a_detector_shows_its_regions(tmp_path, monkeypatch):
    """mmdet need not be there: any model stands in for what the gate decides."""
    cfg = Config.fromfile(CONFIGS / 'msseg_mini8_128x128_digit_scenes.py')
    cfg.merge_from_dict({'model.backbone.arch.depth': 1})
    model = AnalysedModel(cfg)
    monkeypatch.setattr(AnalysedModel, 'detects', True)
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    inputs = model.model.data_preprocessor(dict(inputs=[torch.from_numpy(image).permute(2, 0, 1)]), False)['inputs']
    draw_scales(model, model, '', [Sample('0', image, inputs)] * 2, tmp_path / 'scales.png')
    with Image.open(tmp_path / 'scales.png') as picture:
        assert picture.width > 3 * 300 and picture.height > 2 * 288


@pytest.mark.parametrize('best', [0, None])
def test_the_curve_is_drawn(tmp_path, best, assert_drawn):
    settings = [Setting(share, 1 - share, Reached(60 + share, 100, share, {})) for share in (0.4, 0.2, 1.0)]
    dense = Reached(61.0, 100, 1.0, {})
    draw_curve(settings, dense, None if best is None else settings[best], 61.0, 'mIoU', tmp_path / 'new' / 'sweep.png')
    assert_drawn(tmp_path / 'new' / 'sweep.png')

"""`msvit` commands on detectors: those about cost run, the others say that they want classes."""

from pathlib import Path

import pytest
import torch

pytest.importorskip('mmdet.models', reason="needs mmdet and mmcv's operators: make test-det")

from mmengine.config import Config

from msvit.analysis.model import AnalysedModel
from msvit.analysis.training_time.batches import noise_batches
from msvit.cli import main

CONFIG = Path(__file__).resolve().parents[2] / 'configs/small/msvit_mini8_fcos_sfp_128x128_digit_boxes.py'


@pytest.mark.parametrize('command', [['macs'], ['latency', '--rounds', '1']])
def test_costs_are_told(command, tmp_path):
    name, *options = command
    main([name, str(CONFIG), '--tokens', '100', '--out', str(tmp_path / 'out.json'), *options])
    assert (tmp_path / 'out.json').is_file()


def test_what_reads_classes_says_so():
    model = AnalysedModel(Config.fromfile(CONFIG))
    assert model.forward(torch.zeros(1, 3, 128, 128))
    with pytest.raises(ValueError, match='FCOS gives boxes'):
        model.num_classes  # noqa: B018
    with pytest.raises(ValueError, match='FCOS gives boxes'):
        noise_batches(model, 1)

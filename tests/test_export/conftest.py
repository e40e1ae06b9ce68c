"""Files of tiny models, written once."""

import os
from pathlib import Path

import pytest
from exported_models import CONFIGS, Exported, export, tiny_model

from msvit.checkpoints import save_weights
from msvit.datasets import build_digit_scenes
from msvit.export.onnx_file import require_onnx


def skip_without_exporter() -> None:
    try:
        require_onnx()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='session')
def shared_folder(tmp_path_factory) -> Path:
    """One folder for all processes of a run of the tests."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get('PYTEST_XDIST_WORKER') else base


@pytest.fixture(scope='session')
def segmentor(shared_folder, perturb) -> Exported:
    """A Segmenter on DigitScenes: patches of 8 pixels, regions of 16, 11 classes."""
    skip_without_exporter()
    gate = dict(type='msvit.MLPGate', _delete_=True)  # which finds equal regions equal, wherever they lie
    settings = {'model.decode_head.num_layers': 1, 'model.backbone.gate': gate}
    model = tiny_model(perturb, 'msseg_mini8_128x128_digit_scenes', **settings)
    return export(model, shared_folder / 'segmentor.onnx')


@pytest.fixture
def segmentor_pair(segmentor, tmp_path) -> list[str]:
    """Config and checkpoint of the exported segmentor, with one scene to test on."""
    config = tmp_path / 'msseg_tiny.py'
    scenes = build_digit_scenes(tmp_path / 'scenes', train=1, val=1)
    config.write_text(
        f"_base_ = '{CONFIGS / 'msseg_mini8_128x128_digit_scenes.py'}'\nload_from = None\n"
        "model = dict(backbone=dict(arch=dict(depth=1), gate=dict(type='msvit.MLPGate', _delete_=True)), "
        'decode_head=dict(num_layers=1))\n'
        f'test_dataloader = dict(num_workers=0, dataset=dict(data_root={str(scenes)!r}, build=None))\n'
    )
    return [str(config), str(save_weights(segmentor.model.model, tmp_path / 'weights.safetensors'))]


@pytest.fixture(scope='session')
def classifier(shared_folder, perturb) -> Exported:
    """A classifier of CIFAR-10, of any batch, which normalises pixels itself: patches of 4 pixels, regions of 8."""
    skip_without_exporter()
    model = tiny_model(perturb, 'msvit_mini4_32x32_cifar10')
    return export(model, shared_folder / 'classifier.onnx', normalise=True, any_batch=True)

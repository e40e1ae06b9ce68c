"""What a run's config tells of its gate."""

import pytest
import torch
from mmengine.config import Config

from msvit.checkpoints import save_gate
from msvit.engine.run_gate import PixelFormat, find_pixel_format, read_run_gate
from msvit.gates import ContextGate, MLPGate, Normalization

MEAN, STD = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
PIXELS = Normalization((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='Normalize', mean=MEAN, std=STD)]


def config(preprocessor=None, gate=None, **kwargs) -> Config:
    backbone = dict(type='msvit.MSViT', gate=gate or dict(type='msvit.MLPGate', hidden_dims=(8,), threshold=0.3, budget=7))
    return Config(dict(model=dict(type='Any', backbone=backbone, data_preprocessor=preprocessor), **kwargs))


@pytest.fixture
def gate() -> MLPGate:
    torch.manual_seed(0)
    return MLPGate(8, hidden_dims=(8,)).eval()


@pytest.fixture
def checkpoint(gate, tmp_path):
    torch.save(
        dict(state_dict={f'backbone.gate.{name}': value for name, value in gate.state_dict().items()}), tmp_path / 'run.pth'
    )
    return tmp_path / 'run.pth'


@pytest.mark.parametrize(
    ('cfg', 'to_rgb'),
    [
        (config(dict(mean=MEAN, std=STD, bgr_to_rgb=True)), True),
        (config(dict(mean=MEAN, std=STD, to_rgb=True)), True),
        (config(dict(mean=MEAN, std=STD)), False),
        (config(data_preprocessor=dict(mean=MEAN, std=STD, to_rgb=True)), True),
        (config(dict(size=(4, 4)), test_dataloader=dict(dataset=dict(pipeline=PIPELINE))), True),
        (config(train_dataloader=dict(dataset=dict(dataset=dict(pipeline=PIPELINE)))), True),
    ],
)
def test_the_normalisation_is_found_where_openmmlab_configs_have_it(cfg, to_rgb):
    assert find_pixel_format(cfg) == PixelFormat(PIXELS, to_rgb)


def test_units_of_torchvision_are_not_taken():
    step = dict(type='torchvision/Normalize', mean=[0.5] * 3, std=[0.5] * 3)
    assert find_pixel_format(config(test_dataloader=dict(dataset=dict(pipeline=[step])))) is None


def test_settings_come_from_the_config(checkpoint):
    gate, pixels = read_run_gate(config(dict(mean=MEAN, std=STD, to_rgb=True)), checkpoint)
    assert (gate.threshold, gate.budget, gate.coarse_patch_size) == (0.3, 7, 8)
    assert pixels == PIXELS


@pytest.mark.parametrize('gone', [False, True])
def test_a_run_that_began_with_a_trained_gate(gate, checkpoint, tmp_path, gone):
    gate.threshold = 0.2
    file = save_gate(gate, tmp_path / 'gate.safetensors', PIXELS)
    if gone:
        file.unlink()
    read, _ = read_run_gate(config(dict(mean=MEAN, std=STD, to_rgb=True), gate=str(file)), checkpoint)
    assert read.threshold == (0.5 if gone else 0.2)


def test_a_gate_with_context(tmp_path):
    torch.manual_seed(0)
    gate = ContextGate(14, width=8).eval()
    state = {f'backbone.gate.{name}': value for name, value in gate.state_dict().items()}
    torch.save(dict(state_dict=state), tmp_path / 'run.pth')
    cfg = config(dict(mean=MEAN, std=STD, to_rgb=True), gate=dict(type='msvit.ContextGate', width=8, threshold=0.3))
    read, _ = read_run_gate(cfg, tmp_path / 'run.pth')
    assert (type(read), read.threshold, read.coarse_patch_size) == (ContextGate, 0.3, 14)
    images = torch.rand(1, 3, 28, 28)
    assert torch.equal(read(images).p_fine, gate(images).p_fine)


def test_a_gate_of_bgr_images_becomes_one_of_rgb_images(gate, checkpoint):
    read, pixels = read_run_gate(config(dict(mean=MEAN, std=STD)), checkpoint, channel_order='bgr')
    images = torch.rand(1, 3, 16, 16) * 255
    bgr, rgb = (
        (given - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
        for given, (mean, std) in ((images.flip(1), PIXELS), (images, pixels))
    )
    assert pixels.mean == (3.0, 2.0, 1.0)
    torch.testing.assert_close(read(rgb).p_fine, gate(bgr).p_fine)


@pytest.mark.parametrize(
    ('cfg', 'message'),
    [
        (config(), 'does not tell how pixels are normalised .* --mean and --std'),
        (config(dict(mean=MEAN, std=STD)), 'does not turn images into RGB: state their order with --channel-order'),
        (config(dict(mean=MEAN)), 'belong together'),
    ],
)
def test_configs_that_tell_too_little(cfg, checkpoint, message):
    with pytest.raises(ValueError, match=message):
        read_run_gate(cfg, checkpoint)

"""tools/model_converters/export_gate.py: the gate of a run as a small file that tells all a host needs."""

import runpy
from pathlib import Path

import pytest
import torch

from msvit.checkpoints import load_gate, read_gate_normalization
from msvit.gates import MLPGate, Normalization

main = runpy.run_path(str(Path(__file__).parents[2] / 'tools/model_converters/export_gate.py'))['main']
CONFIG = """
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[125.3, 123.0, 113.9], std=[63.0, 62.1, 66.7], to_rgb=True),
    backbone=dict(type='msvit.MSViT', gate=dict(type='msvit.MLPGate', hidden_dims=(8,), threshold=0.3, budget=0.5)),
)
"""


@pytest.fixture
def config(tmp_path) -> Path:
    (tmp_path / 'run.py').write_text(CONFIG)
    return tmp_path / 'run.py'


@pytest.fixture
def gate() -> MLPGate:
    torch.manual_seed(0)
    return MLPGate(8, hidden_dims=(8,), threshold=0.3, budget=0.5).eval()


@pytest.fixture
def checkpoint(gate, tmp_path) -> Path:
    state = {f'backbone.gate.{name}': value for name, value in gate.state_dict().items()}
    torch.save(dict(state_dict=state | {'backbone.cls_token': torch.zeros(1)}, optimizer={}), tmp_path / 'epoch_1.pth')
    return tmp_path / 'epoch_1.pth'


@pytest.mark.parametrize('half', [False, True])
def test_a_gate_comes_back_with_all_that_was_told(config, checkpoint, gate, tmp_path, capsys, half):
    out = tmp_path / 'deeper' / 'gate.safetensors'
    main([str(config), str(checkpoint), str(out), *(['--half'] if half else [])])
    said = capsys.readouterr().out
    assert f'{out}: {out.stat().st_size / 1024:.1f} KiB' in said
    assert 'regions of 8 pixels' in said and 'mean [125.3, 123.0, 113.9]' in said and 'threshold 0.3, budget 0.5' in said
    loaded = load_gate(out)
    assert (loaded.threshold, loaded.budget, loaded.temperature) == (0.3, 0.5, 0.3)
    assert read_gate_normalization(out) == Normalization((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
    for name, value in gate.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float() if half else value)


def test_what_the_config_does_not_tell_is_told_on_the_command_line(config, checkpoint, tmp_path):
    config.write_text(CONFIG.replace('data_preprocessor', 'other'))
    pixels = ['--mean', '1', '2', '3', '--std', '4', '5', '6', '--channel-order', 'bgr']
    main([str(config), str(checkpoint), str(tmp_path / 'gate.safetensors'), *pixels])
    assert read_gate_normalization(tmp_path / 'gate.safetensors') == Normalization((3.0, 2.0, 1.0), (6.0, 5.0, 4.0))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda config, checkpoint, out: out.write_bytes(b'precious'), 'exists: choose another name, or replace it'),
        (lambda config, checkpoint, out: config.write_text(CONFIG.replace('data_pre', '')), 'state --mean and --std'),
        (lambda config, checkpoint, out: checkpoint.unlink(), 'epoch_1.pth not found'),
        (lambda config, checkpoint, out: config.unlink(), 'There is no config'),
        (lambda config, checkpoint, out: torch.save({'head.weight': torch.ones(1)}, checkpoint), 'holds no learned gate'),
    ],
)
def test_errors_say_what_to_do(config, checkpoint, tmp_path, capsys, change, message):
    out = tmp_path / 'gate.safetensors'
    change(config, checkpoint, out)
    with pytest.raises(SystemExit, match='2'):
        main([str(config), str(checkpoint), str(out)])
    assert message in capsys.readouterr().err
    assert not out.exists() or out.read_bytes() == b'precious'

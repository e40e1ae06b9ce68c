"""``msvit training-time``."""

import json

import pytest
from mmengine.logging import MMLogger
from PIL import Image

from msvit.cli import main

LAYOUTS = ['plain', 'masked', 'trimmed', 'packed']
SMALL = dict(arch=dict(embed_dim=128, depth=1, num_heads=4, patch_size=8))
GATED = dict(SMALL, gate=dict(type='msvit.MLPGate', _delete_=True))


def test_on_the_training_set(trained, tmp_path, capsys):
    out, picture = tmp_path / 'new' / 'time.json', tmp_path / 'time.png'
    arguments = ['--batch-size', '2', '--rounds', '1', '--out', str(out), '--picture', str(picture)]
    MMLogger.get_current_instance().info('before')  # it remembers that it may speak
    assert main(['training-time', *trained(**GATED), *arguments]) == 0
    figures = json.loads(out.read_text())
    assert list(figures['steps']) == LAYOUTS
    for name, cost in figures['steps'].items():
        assert figures['seconds_per_epoch'][name] == pytest.approx(4 / 2 * cost['seconds']['median'])
    assert figures['steps']['plain']['tokens'] == 256
    assert 64 < figures['steps']['masked']['tokens'] == figures['steps']['packed']['tokens'] < 256
    assert figures['steps']['masked']['peak_bytes'] > figures['steps']['packed']['peak_bytes']
    assert Image.open(picture).width > 1000
    said = capsys.readouterr()
    assert 'batch of 2' in said.out and 's per epoch' in said.out
    assert 'paramwise' not in said.out + said.err


def test_on_noise(trained, tmp_path, capsys):
    out = tmp_path / 'time.json'
    options = ['--cfg-options', 'model.backbone.gate.init_p_fine=0.1']
    main(['training-time', trained(**GATED)[0], '--noise', '--batch-size', '2', '--rounds', '1', '--out', str(out), *options])
    figures = json.loads(out.read_text())
    assert figures['steps']['packed']['tokens'] == pytest.approx(64 + 0.1 * 192, abs=15)
    assert figures['seconds_per_epoch'] is None
    assert 's per epoch' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ('name', 'arguments', 'message'),
    [
        ('msseg', ['--cfg-options', 'train_dataloader.dataset.data_root=nowhere'], 'nowhere'),
        ('seg', ['--noise', '--batch-size', '1'], 'the model has no gate'),
    ],
)
def test_mistakes_are_named(trained, name, arguments, message):
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        main(['training-time', trained(name, **SMALL)[0], *arguments])

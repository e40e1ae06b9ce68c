"""tools/test.py: evaluates, writes its figures, and loads no code."""

import json
import os
from pathlib import Path

import pytest
import torch


class Payload:
    """A pickle that runs a shell command when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return os.system, (f'touch {self.trace}',)


@pytest.fixture
def trained(toy_config, tmp_path, run_tool) -> Path:
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'trained', '--no-validate', options=('train_cfg.max_iters=1',))
    return tmp_path / 'trained' / 'iter_1.pth'


@pytest.mark.parametrize('tta', [(), ('--tta',)], ids=['plain', 'tta'])
def test_out_holds_the_figures(toy_config, trained, tmp_path, run_tool, tta):
    out, pictures = tmp_path / 'new' / 'figures.json', tmp_path / 'pictures'
    run_tool('test.py', toy_config, trained, '--out', out, '--show-dir', pictures, *tta)
    figures = json.loads(out.read_text())
    assert figures['checkpoint'] == str(trained)
    assert figures['config'] == str(toy_config)
    assert set(figures['metrics']) == {'aAcc', 'mIoU', 'mAcc'}
    assert 0 < figures['metrics']['aAcc'] <= 100
    assert len(list(pictures.rglob('*.png'))) == 6


@pytest.mark.parametrize('kind', ['checkpoint', 'no dict'])
def test_pickled_code_does_not_run(toy_config, tmp_path, run_tool, kind):
    trace, path = tmp_path / 'the_payload_ran', tmp_path / 'evil.pth'
    torch.save({'state_dict': {}, 'meta': Payload(trace)} if kind == 'checkpoint' else Payload(trace), path)
    with pytest.raises(SystemExit, match='could run code'):
        run_tool('test.py', toy_config, path)
    with pytest.raises(SystemExit, match='could run code'):
        run_tool('train.py', toy_config, '--resume', path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()  # the payload is a real one


def test_a_damaged_checkpoint_is_named(toy_config, trained, run_tool):
    trained.write_bytes(trained.read_bytes()[:5000])
    with pytest.raises(SystemExit, match=r'iter_1\.pth .* is corrupt'):
        run_tool('test.py', toy_config, trained)


@pytest.mark.parametrize('change', ['foreign', 'missing', 'other shape'])
def test_a_checkpoint_of_another_model_is_refused(toy_config, trained, run_tool, change):
    checkpoint = torch.load(trained, weights_only=False)
    state = checkpoint['state_dict']
    if change == 'foreign':
        checkpoint = {f'other.{name}': value for name, value in state.items()}
    elif change == 'missing':
        del state['decode_head.conv_seg.bias']
    else:
        state['decode_head.conv_seg.bias'] = torch.zeros(7)
    torch.save(checkpoint, trained)
    message = 'fits only 0 of' if change == 'foreign' else r'do not match exactly(.|\n)*decode_head\.conv_seg\.bias'
    with pytest.raises(SystemExit, match=message):
        run_tool('test.py', toy_config, trained)
    with pytest.raises(SystemExit, match=message):
        run_tool('train.py', toy_config, '--resume', trained)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['{config}', 'nowhere.pth'], 'There is no checkpoint nowhere.pth'),
        (['nowhere.py', 'nowhere.pth'], 'There is no config nowhere.py'),
        (['{config}', 'nowhere.pth', '--out', 'figures.txt'], 'name a .json file'),
    ],
)
def test_user_mistakes_are_named_before_anything_starts(toy_config, run_tool, capfd, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        run_tool('test.py', *(argument.format(config=toy_config) for argument in arguments))
    assert message in capfd.readouterr().err


def test_tta_without_its_settings_is_refused(toy_config, trained, run_tool, capfd):
    toy_config.write_text(toy_config.read_text().replace('tta_pipeline', 'another_pipeline'))
    with pytest.raises(SystemExit, match='2'):
        run_tool('test.py', toy_config, trained, '--tta')
    assert '--tta needs tta_pipeline' in capfd.readouterr().err

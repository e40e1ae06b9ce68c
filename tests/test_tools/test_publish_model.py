"""tools/model_converters/publish_model.py: what was evaluated is what is published."""

import json
import runpy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from msvit.checkpoints import read_checkpoint
from msvit.engine.load_model import load_model

main = runpy.run_path(str(Path(__file__).parents[2] / 'tools/model_converters/publish_model.py'))['main']


@pytest.fixture
def averaged(toy_config, tmp_path, run_tool) -> Path:
    """A checkpoint of a run that averages its weights."""
    config = tmp_path / 'averaged.py'
    config.write_text(toy_config.read_text() + "custom_hooks += [dict(type='EMAHook', momentum=0.3)]\n")
    run_tool('train.py', config, '--work-dir', tmp_path / 'run', '--no-validate', options=('train_cfg.max_iters=3',))
    return tmp_path / 'run' / 'iter_3.pth'


def test_published_weights_are_the_evaluated_ones(toy_config, averaged, tmp_path, run_tool, capsys):
    def evaluate(config: Path, checkpoint: Path) -> dict:
        run_tool('test.py', config, checkpoint, '--out', tmp_path / 'figures.json')
        return json.loads((tmp_path / 'figures.json').read_text())['metrics']

    files = []
    for suffix in ('safetensors', 'pth'):
        main([str(averaged), str(tmp_path / 'published' / f'toy.{suffix}'), '--config', str(toy_config)])
        files.append(Path(capsys.readouterr().out.splitlines()[-1]))
        assert files[-1].is_file() and files[-1].suffix == f'.{suffix}'

    whole = torch.load(averaged, weights_only=False)
    name = 'decode_head.conv_seg.weight'
    raw, mean = whole['ema_state_dict'][f'module.{name}'], whole['state_dict'][name]
    assert not torch.equal(raw, mean)
    for file in files:
        assert torch.equal(read_checkpoint(file)[name], mean)
        model = load_model(Config.fromfile(toy_config), file)
        assert torch.equal(model.decode_head.conv_seg.weight, mean)
    expected = evaluate(averaged.parents[1] / 'averaged.py', averaged)
    assert [evaluate(toy_config, file) for file in files] == [expected] * 2

    options = (f'load_from={files[0]}', 'optim_wrapper.optimizer.lr=0.', 'train_cfg.max_iters=1')
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'next', '--no-validate', options=options)
    assert torch.equal(read_checkpoint(tmp_path / 'next' / 'iter_1.pth')[name], mean)


@pytest.fixture
def other(tmp_path) -> Path:
    torch.save(dict(state_dict={'other.weight': torch.ones(2)}), tmp_path / 'other.pth')
    return tmp_path / 'other.pth'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['{other}', 'net.safetensors', '--config', '{config}'], 'other.pth does not fit the model of the config'),
        (['{other}', 'net.safetensors', '--config', 'nowhere.py'], 'There is no config nowhere.py'),
        (['nowhere.pth', 'net.pth'], 'nowhere.pth not found'),
        (['{other}', 'net.txt'], 'net.txt must end in .safetensors or .pth'),
        (['{other}', '{published}'], 'exists: choose another name'),
    ],
)
def test_user_mistakes_are_named(arguments, message, toy_config, other, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main([str(other), 'old.pth'])
    before = sorted(tmp_path.iterdir())
    arguments = [value.format(other=other, config=toy_config, published='old.pth') for value in arguments]
    with pytest.raises(SystemExit, match='2'):
        main(arguments)
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before
    if 'old.pth' in arguments:
        main([*arguments, '--overwrite'])

"""``msvit compare``."""

import json

import pytest
from mmengine.config import Config

from msvit.backbones import MSViT
from msvit.checkpoints import CheckpointError
from msvit.cli import main
from msvit.engine.load_model import load_model


def test_two_models_take_turns(trained, tmp_path, capsys):
    out = tmp_path / 'speed.json'
    pairs = ['--first', *trained('seg'), '--second', *trained('msseg')]
    arguments = [*pairs, '--images', '2', '--rounds', '1', '--out', str(out)]
    main(['compare', *arguments])
    figures = json.loads(out.read_text())
    assert figures['images'] == 2
    assert figures['speedup'] == pytest.approx(figures['seconds_per_image'][0] / figures['seconds_per_image'][1])
    assert figures['about']['second'] == pairs[-2:]
    assert 'msseg_tiny' in capsys.readouterr().out
    with pytest.raises(SystemExit, match='speed.json exists: give --overwrite'):
        main(['compare', *arguments])


def test_settings_are_for_both(trained):
    options = ['--cfg-options', 'test_dataloader.dataset.data_root=nowhere']
    with pytest.raises(SystemExit, match='nowhere'):
        main(['compare', '--first', *trained('seg'), '--second', *trained('msseg'), *options])


def test_blocks_are_compiled_by_option(trained, monkeypatch):
    compiled = []
    monkeypatch.setattr(MSViT, 'compile_blocks', lambda backbone: compiled.append(backbone))
    arguments = ['compare', '--first', *trained('seg'), '--second', *trained('msseg'), '--images', '1', '--rounds', '1']
    main(arguments)
    assert not compiled
    main([*arguments, '--compile'])
    assert len(compiled) == 2
    with pytest.raises(SystemExit, match='--compile is for models of configs, and a.onnx is an exported one'):
        main(['compare', '--first', 'a.onnx', '--second', *trained('seg'), '--compile'])


def test_weights_of_another_model_are_refused(trained):
    config, _ = trained('msseg')
    _, checkpoint = trained('seg')
    with pytest.raises(CheckpointError, match='does not fit the model of the config'):
        load_model(Config.fromfile(config), checkpoint)

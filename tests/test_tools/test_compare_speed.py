import json
import runpy
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from msvit.analysis.load_model import load_model
from msvit.checkpoints import CheckpointError, save_weights
from msvit.datasets import build_digit_scenes

ROOT = Path(__file__).parents[2]
main = runpy.run_path(str(ROOT / 'tools/analysis_tools/compare_speed.py'))['main']


@pytest.fixture
def trained(tmp_path):
    """Makes a twin of random weights: its config and its checkpoint."""

    def build(name: str) -> tuple[str, str]:
        config = ROOT / 'configs' / f'{name}_mini8_128x128_digit_scenes.py'
        init_default_scope('mmseg')
        model = MODELS.build(Config.fromfile(config).model)
        return str(config), str(save_weights(model, tmp_path / f'{name}.safetensors'))

    return build


def test_two_models_take_turns(trained, tmp_path, capsys):
    root = build_digit_scenes(tmp_path / 'scenes', train=1, val=3)
    out = tmp_path / 'speed.json'
    options = [f'test_dataloader.dataset.data_root={root}', 'test_dataloader.dataset.build=None']
    arguments = [
        '--first',
        *trained('seg'),
        '--second',
        *trained('msseg'),
        '--images',
        '2',
        '--rounds',
        '1',
        '--out',
        str(out),
    ]
    main([*arguments, '--cfg-options', *options])
    figures = json.loads(out.read_text())
    assert figures['images'] == 2 and figures['speedup'] > 0
    assert 'msseg_mini8_128x128_digit_scenes' in capsys.readouterr().out


def test_weights_of_another_model_are_refused(trained):
    config, _ = trained('msseg')
    _, checkpoint = trained('seg')
    with pytest.raises(CheckpointError, match='does not fit the model of the config'):
        load_model(Config.fromfile(config), checkpoint)

"""Programs that a checkpoint carries as text, where OpenMMLab keeps configs: none of them runs.

To add a place, add the path of its keys to `PLACES`.
"""

from pathlib import Path

import pytest
import torch
from mmengine.runner import CheckpointLoader
from mmseg.apis import MMSegInferencer

PLACES = [('meta', 'config'), ('meta', 'cfg'), ('message_hub', 'runtime_info', 'cfg')]


def program(trace: Path) -> str:
    """A config that leaves a trace where it is evaluated."""
    return f"import pathlib\npathlib.Path({str(trace)!r}).touch()\nmodel = dict(type='Nothing')\n"


def plant(checkpoint: dict, place: tuple[str, ...], text: str) -> dict:
    """Puts a text into a checkpoint."""
    *path, last = place
    entry = checkpoint
    for key in path:
        entry = entry.setdefault(key, {})
    entry[last] = text
    return checkpoint


@pytest.fixture
def trace(tmp_path) -> Path:
    return tmp_path / 'the_program_ran'


def test_resume_runs_none(toy_config, tmp_path, run_tool, trace):
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'w', '--no-validate', options=('train_cfg.max_iters=1',))
    path = tmp_path / 'w' / 'iter_1.pth'
    checkpoint = torch.load(path, weights_only=False)
    for place in PLACES:
        plant(checkpoint, place, program(trace))
    torch.save(checkpoint, path)
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'w', '--resume', '--no-validate')
    assert not trace.exists()
    assert (tmp_path / 'w' / 'iter_6.pth').is_file()


def test_what_mmengine_would_evaluate_on_resume_is_forgotten(tmp_path, safe_loading):
    torch.save({'meta': {'config': 'a = 1', 'iter': 3}, 'state_dict': {}}, tmp_path / 'a.pth')
    assert CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))['meta'] == {'iter': 3}


@pytest.mark.parametrize('place', PLACES[1:], ids='.'.join)
def test_an_inferencer_wants_its_config_from_the_user(tmp_path, safe_loading, trace, place):
    torch.save(plant({'state_dict': {'w': torch.ones(2)}}, place, program(trace)), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'give a config that you trust, MMSegInferencer\("CONFIG\.py", weights=.*a\.pth'):
        MMSegInferencer(None, weights=str(tmp_path / 'a.pth'))
    assert not trace.exists()

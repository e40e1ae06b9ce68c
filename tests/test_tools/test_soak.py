"""The soak would notice what must not happen; its real run is in docs/safety.md."""

import runpy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from yapf.yapflib.yapf_api import FormatCode

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'misc' / 'soak.py'
pytestmark = pytest.mark.skipif(not Path('/proc/self/stat').is_file(), reason='not Linux')


@pytest.fixture(scope='module')
def soak() -> dict:
    return runpy.run_path(str(TOOL))


@pytest.fixture
def folders(tmp_path) -> list[Path]:
    """Two equal trainings' ends."""
    for name in 'ab':
        (tmp_path / name).mkdir()
        optimizer = {'state': {0: {'exp_avg': torch.ones(2)}}, 'param_groups': [{'lr': 0.1}]}
        content = {
            'state_dict': {'w': torch.zeros(2)},
            'optimizer': optimizer,
            'param_schedulers': [{'last_step': 3}],
            'meta': {},
        }
        torch.save(content, tmp_path / name / 'iter_3.pth')
        (tmp_path / name / 'last_checkpoint').write_text(str(tmp_path / name / 'iter_3.pth'))
    return [tmp_path / 'a', tmp_path / 'b']


def test_equal_trainings_are_equal(soak, folders):
    assert not list(soak['differences'](*folders))
    assert not list(soak['broken'](folders[0]))


@pytest.mark.parametrize(
    ('change', 'place'),
    [
        (lambda content: content['state_dict']['w'].add_(1e-7), 'state_dict.w'),
        (lambda content: content['optimizer']['state'][0]['exp_avg'].add_(1e-6), 'optimizer.state.0.exp_avg'),
        (lambda content: content['optimizer']['param_groups'][0].update(lr=0.2), 'optimizer.param_groups.0.lr'),
        (lambda content: content['param_schedulers'].append({}), 'param_schedulers'),
        (lambda content: content.pop('optimizer'), 'optimizer'),
    ],
)
def test_the_smallest_difference_is_named(soak, folders, change, place):
    content = torch.load(folders[1] / 'iter_3.pth')
    change(content)
    torch.save(content, folders[1] / 'iter_3.pth')
    assert list(soak['differences'](*folders)) == [f'iter_3.pth: {place} differs']


def test_missing_and_broken_checkpoints_are_named(soak, folders):
    content = (folders[1] / 'iter_3.pth').read_bytes()
    (folders[1] / 'iter_3.pth').rename(folders[1] / 'iter_2.pth')
    assert list(soak['differences'](*folders)) == ["holds ['iter_2.pth'], not ['iter_3.pth']"]
    (folders[1] / 'iter_2.pth').write_bytes(content[:-100])
    unreadable, record = soak['broken'](folders[1])
    assert 'iter_2.pth' in unreadable and 'last_checkpoint names' in record


def test_a_process_is_killed(soak, tmp_path):
    assert soak['attempt'](tmp_path / 'w', tmp_path, 0.05) == 'killed'


def test_configs_of_this_process_are_written_as_before(soak, monkeypatch):
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', FormatCode)  # which the suite does without elsewhere
    assert Config(dict(a=1)).pretty_text == 'a = 1\n'

"""A training that is killed, or runs out of disk, while it saves: nothing is lost, and the next one goes on.

To add a moment, patch what runs then, as `killed_while` does.
"""

import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.runner import Runner

from msvit.checkpoints.whole_file import whole_file
from msvit.engine.launch import set_resume


class Killed(BaseException):
    """Nothing catches it."""


def test_a_file_is_there_whole_or_as_it_was(tmp_path):
    path = tmp_path / 'a.pth'
    path.write_bytes(b'old')
    with pytest.raises(Killed), whole_file(path) as partial:
        partial.write_bytes(b'ne')
        raise Killed
    assert path.read_bytes() == b'old'
    with whole_file(path) as partial:
        partial.write_bytes(b'new')
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b'new']


def whole(folder: Path) -> dict[str, dict]:
    """The checkpoints of a folder; fails where one is not whole."""
    return {path.name: torch.load(path, weights_only=False) for path in folder.glob('*.pth')}


def test_a_save_over_the_last_checkpoint_may_be_killed(toy_config, tmp_path, run_tool, monkeypatch):
    """Every write ends after 1000 bytes once the best of iteration 6 is there."""
    work_dir = tmp_path / 'w'
    run_tool('train.py', toy_config, '--work-dir', work_dir, options=('train_cfg.max_iters=3',))
    before = whole(work_dir)
    assert before.keys() == {'iter_3.pth', 'best_mIoU_iter_3.pth'}

    def kill(path, data):
        with open(path, 'wb') as file:
            file.write(data[:1000])
        raise Killed

    monkeypatch.setattr(Path, 'write_bytes', kill)
    monkeypatch.setattr(LocalBackend, 'put', lambda self, data, path: kill(path, data))
    with pytest.raises(Killed):
        run_tool('train.py', toy_config, '--work-dir', work_dir, '--resume')
    assert whole(work_dir).keys() == before.keys()
    monkeypatch.undo()


def test_the_best_stays_until_a_better_one_is_written(toy_config, tmp_path, run_tool, monkeypatch):
    work_dir = tmp_path / 'w'
    present = []
    save = Runner.save_checkpoint

    def look_and_save(self, out_dir, filename, *args, **kwargs):
        present.append((filename, sorted(path.name for path in work_dir.glob('*.pth'))))
        save(self, out_dir, filename, *args, **kwargs)

    monkeypatch.setattr(Runner, 'save_checkpoint', look_and_save)
    (work_dir / 'iter_1.pth.77.partial').parent.mkdir()
    (work_dir / 'iter_1.pth.77.partial').write_bytes(b'stump')
    rising = ('default_hooks.checkpoint.rule=less', 'default_hooks.checkpoint.max_keep_ckpts=1', 'train_cfg.val_interval=1')
    run_tool('train.py', toy_config, '--work-dir', work_dir, options=(*rising, 'default_hooks.checkpoint.interval=1'))
    bests = [names for filename, names in present if filename.startswith('best_')]
    assert len(bests) > 1
    assert all(any(name.startswith('best_') for name in names) for names in bests[1:])
    assert all(any(name.startswith('iter_') for name in names) for _, names in present[1:])
    left = sorted(path.name for path in work_dir.glob('*.p*') if path.is_file() and path.suffix != '.py')
    assert len(left) == 2 and left[0].startswith('best_mIoU_iter_') and left[1] == 'iter_6.pth'


@pytest.mark.parametrize('record', ['iter_8.pth', '', None], ids=['names it', 'empty', 'absent'])
@pytest.mark.parametrize('content', [b'', b'PK\x03\x04' + bytes(500)], ids=['empty', 'part'])
def test_resume_falls_back_to_the_newest_whole_checkpoint(tmp_path, monkeypatch, content, record):
    for step in (3, 6):
        torch.save({'meta': {'iter': step}, 'state_dict': {}}, tmp_path / f'iter_{step}.pth')
    (tmp_path / 'iter_8.pth').write_bytes(content)
    shutil.copy(tmp_path / 'iter_6.pth', tmp_path / 'best_mIoU_iter_9.pth')  # has no optimizer
    if record is not None:
        (tmp_path / 'last_checkpoint').write_text(record and str(tmp_path / record))
    told = []
    monkeypatch.setattr('msvit.engine.latest_checkpoint.print_log', lambda message, **_: told.append(message))
    cfg = Config({'work_dir': str(tmp_path)})
    set_resume(cfg, 'auto')
    assert cfg.load_from == str(tmp_path / 'iter_6.pth')
    assert 'iter_8.pth' in told[0] and f'Going on with {tmp_path}/iter_6.pth' in told[0]


def test_resume_stops_where_no_checkpoint_is_whole(tmp_path):
    (tmp_path / 'iter_8.pth').write_bytes(b'')
    with pytest.raises(ValueError, match=r'no checkpoint of .* can be read; start afresh without --resume: .*iter_8\.pth'):
        set_resume(Config({'work_dir': str(tmp_path)}), 'auto')

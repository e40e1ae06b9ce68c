"""A training that is killed, or runs out of disk, while it saves: nothing is lost, and the next one goes on.

To add a moment, patch what runs then, as `killed_while` does.
"""

import builtins
import io
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.runner import Runner, ValLoop

from msvit.atomic_write import atomic_write
from msvit.engine.launch import set_resume


class Killed(BaseException):
    """Nothing catches it."""


def test_a_file_is_there_whole_or_as_it_was(tmp_path):
    path = tmp_path / 'a.pth'
    path.write_bytes(b'old')
    with pytest.raises(Killed), atomic_write(path) as partial:
        partial.write_bytes(b'ne')
        raise Killed
    assert path.read_bytes() == b'old'
    with atomic_write(path) as partial:
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


def test_the_record_of_the_last_checkpoint_is_replaced_whole(toy_config, tmp_path, run_tool, monkeypatch):
    """Every write to it, in place or beside it, ends after 2 characters."""
    work_dir = tmp_path / 'w'
    run_tool('train.py', toy_config, '--work-dir', work_dir, '--no-validate', options=('train_cfg.max_iters=3',))
    record = work_dir / 'last_checkpoint'
    before = record.read_text()
    assert Path(before) == work_dir / 'iter_3.pth'
    open_file = builtins.open

    def open_and_kill(path, mode='r', *args, **kwargs):
        if 'w' not in mode or not Path(path).name.startswith('last_checkpoint'):
            return open_file(path, mode, *args, **kwargs)
        with open_file(path, mode) as file:
            file.write('/t')
        raise Killed

    monkeypatch.setattr(builtins, 'open', open_and_kill)
    monkeypatch.setattr(io, 'open', open_and_kill)  # what pathlib calls
    with pytest.raises(Killed):
        run_tool('train.py', toy_config, '--work-dir', work_dir, '--resume', '--no-validate')
    monkeypatch.undo()
    assert record.read_text() == before
    assert not list(work_dir.glob('*.partial'))


@pytest.mark.parametrize('loop', ['by iteration', 'by epoch'])
def test_a_validation_that_a_kill_prevents_is_made_up_for(toy_config, tmp_path, run_tool, monkeypatch, loop):
    """The last one: without it there would be no best checkpoint."""
    work_dir, validations = tmp_path / 'w', []
    validate = ValLoop.run
    options = ['default_hooks.checkpoint.interval=1', 'train_cfg.max_iters=3']
    if loop == 'by epoch':
        options = ['default_hooks.checkpoint.by_epoch=True', 'train_dataloader.sampler.type=msvit.ResumableEpochSampler']
        options += ['train_cfg._delete_=True', 'train_cfg.type=EpochBasedTrainLoop', 'train_cfg.max_epochs=1']
        options += ['default_hooks.checkpoint.interval=1', 'param_scheduler=[]']

    def killed(self):
        raise Killed

    def counted(self):
        validations.append(self.runner.iter)
        return validate(self)

    monkeypatch.setattr(ValLoop, 'run', killed)
    with pytest.raises(Killed):
        run_tool('train.py', toy_config, '--work-dir', work_dir, options=tuple(options))
    monkeypatch.setattr(ValLoop, 'run', counted)
    for _ in range(2):  # the second time there is nothing to make up for
        run_tool('train.py', toy_config, '--work-dir', work_dir, '--resume', options=tuple(options))
        assert validations == [3]
    (best,) = work_dir.glob('best_mIoU_*.pth')
    last = (work_dir / 'last_checkpoint').read_text()
    best, last = (torch.load(path, weights_only=False)['state_dict'] for path in (best, last))
    assert all(torch.equal(best[name], last[name]) for name in last)


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

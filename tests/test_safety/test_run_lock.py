"""Two trainings in one work dir: the second is refused, unless the first is dead."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from msvit.engine import run_lock
from msvit.engine.run_lock import LOCK, RunLock, fcntl

HOLD = """
import os, runpy, sys, time
from pathlib import Path
lock = runpy.run_path(sys.argv[1])['RunLock'](Path(sys.argv[2]))
if os.fork() == 0:  # as a data loader's worker, which outlives its parent for a while
    time.sleep(60)
print(os.getpid(), flush=True)
time.sleep(60)
"""
pytestmark = pytest.mark.skipif(fcntl is None, reason='no locks here')


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of ``tmp_path``, with a worker."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, run_lock.__file__, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    process.number = int(process.stdout.readline())
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_a_second_training_is_refused_by_name_until_the_first_is_killed(toy_config, tmp_path, run_tool, holder):
    before = {path.name for path in tmp_path.glob('*.pth')}
    with pytest.raises(SystemExit, match=rf'in use by process {holder.number} on {socket.gethostname()}: .*--work-dir'):
        run_tool('train.py', toy_config, '--work-dir', tmp_path, '--no-validate', options=('train_cfg.max_iters=1',))
    assert {path.name for path in tmp_path.glob('*.pth')} == before
    holder.kill()
    holder.wait()
    run_tool('train.py', toy_config, '--work-dir', tmp_path, '--no-validate', options=('train_cfg.max_iters=1',))
    assert (tmp_path / 'iter_1.pth').is_file()
    assert (tmp_path / LOCK).read_text() == ''


def test_what_a_dead_run_left_keeps_nobody_out(tmp_path):
    (tmp_path / LOCK).write_text('process 1 on elsewhere\n')
    RunLock(tmp_path).release()


def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, 'Operation not supported')

    monkeypatch.setattr(fcntl, 'lockf', refuse)
    RunLock(tmp_path).release()

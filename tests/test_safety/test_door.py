"""What stands in the way is said before work begins, in one line, and nothing half-written stays."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from msvit.checkpoints import CheckpointError, read_checkpoint, save_weights
from msvit.checkpoints.publish import publish_weights
from msvit.checkpoints.sources import timm_weights
from msvit.datasets import build_digit_scenes
from msvit.engine.own_checkpoints import OwnCheckpoints

STATE = {'w': torch.arange(20_000.0)}


@contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: the system's own limit, as a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize('suffix', ['.safetensors', '.pth'])
def test_publishing_on_a_full_disk_leaves_nothing(tmp_path, suffix):
    torch.save({'state_dict': STATE, 'meta': {}}, tmp_path / 'a.pth')
    out = tmp_path / 'out' / f'model{suffix}'
    with pytest.raises(OSError, match=rf'cannot write .*model{suffix}, nothing is left of it'), full_disk(30_000):
        publish_weights(tmp_path / 'a.pth', out)
    assert not list(out.parent.iterdir())


def test_saving_weights_on_a_full_disk_keeps_the_old_ones(tmp_path):
    path = save_weights({'w': torch.ones(2)}, tmp_path / 'w.safetensors')
    with pytest.raises(OSError, match=r'cannot write .*w\.safetensors, nothing is left of it'), full_disk(30_000):
        save_weights(STATE, path)
    assert torch.equal(read_checkpoint(path)['w'], torch.ones(2))
    assert list(tmp_path.iterdir()) == [path]


def test_a_training_on_a_full_disk_keeps_its_checkpoints(tmp_path):
    own = OwnCheckpoints(str(tmp_path))
    own.put(b'old', tmp_path / 'iter_1.pth')
    with (
        pytest.raises(OSError, match=r'cannot save .*iter_1\.pth .*older checkpoints are as they were: make room'),
        full_disk(10),
    ):
        own.put(bytes(1000), tmp_path / 'iter_1.pth')
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [('iter_1.pth', b'old')]


def unwritable(tmp_path: Path) -> Path:
    """A folder in which nobody, root included, can make another."""
    if os.geteuid() == 0:
        return Path('/proc/sys')
    tmp_path.joinpath('locked').mkdir(mode=0o500)
    return tmp_path / 'locked'


@pytest.mark.skipif(not Path('/proc/sys').is_dir(), reason='not Linux')
def test_a_work_dir_that_cannot_be_written_is_named(toy_config, tmp_path, run_tool):
    work_dir = unwritable(tmp_path) / 'w'
    with pytest.raises(SystemExit, match=rf'error: cannot write to the work dir {work_dir} .*--work-dir FOLDER'):
        run_tool('train.py', toy_config, '--work-dir', work_dir)


def test_missing_data_are_told_before_weights_are_fetched(toy_config, tmp_path, run_tool):
    options = ('train_dataloader.dataset.type=msvit.SegDataset', 'train_dataloader.dataset.data_root=nowhere')
    weights = (
        'load_from=None',
        'model.backbone.init_cfg.type=Pretrained',
        'model.backbone.init_cfg.checkpoint=http://127.0.0.1:9/w.pth',
    )
    with pytest.raises(SystemExit, match=r'SegDataset: the folder nowhere/images .* does not exist(.|\n)*Expected layout'):
        run_tool('train.py', toy_config, '--work-dir', tmp_path / 'w', options=(*options, *weights))
    assert not (tmp_path / 'w').exists()


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[tuple[str, list[int]]]:
    """An address of weights, and of how many bytes each answer will be: all of them by default."""
    torch.save(STATE, tmp_path / 'served.pth')
    content, answers = (tmp_path / 'served.pth').read_bytes(), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            self.wfile.write(content[: answers.pop() if answers else None])

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{http.server_port}/w.pth', answers
        http.shutdown()


def test_a_download_that_breaks_off_is_not_kept(server, tmp_path):
    address, answers = server
    answers.append(5000)
    with pytest.raises(CheckpointError, match=rf'cannot download {address} \(the connection ended after 5000 of \d+ bytes'):
        read_checkpoint(address)
    assert not list((tmp_path / 'hub' / 'checkpoints').iterdir())
    assert torch.equal(read_checkpoint(address)['w'], STATE['w'])


def test_a_damaged_file_of_the_cache_is_named(server, tmp_path):
    address, _ = server
    read_checkpoint(address)
    (cached,) = (tmp_path / 'hub' / 'checkpoints').iterdir()
    cached.write_bytes(cached.read_bytes()[:5000])
    with pytest.raises(
        CheckpointError, match=rf'{cached} \(5000 bytes\) is corrupt, .*; delete it, and it is downloaded anew'
    ):
        read_checkpoint(address)


def test_weights_that_cannot_be_fetched_take_two_lines(monkeypatch, capfd):
    """The hub's client tries for a minute; its waits are left out here."""
    unreachable = 'http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}'
    monkeypatch.setattr('huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE', unreachable)
    monkeypatch.setattr(time, 'sleep', lambda seconds: None)
    with pytest.raises(CheckpointError, match=r"cannot get timm's weights of vit_tiny_patch16_224 .*give its path"):
        timm_weights('vit_tiny_patch16_224')
    said = ''.join(capfd.readouterr())
    assert 'Retry' not in said and 'Traceback' not in said and 'thrown while' not in said


def test_imports_say_nothing():
    modules = 'import msvit.datasets, msvit.engine.launch'  # and with them mmseg and mmpretrain
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', modules], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ''


@pytest.mark.parametrize('file', ['images/train/000001.jpg', 'annotations/val/000000.png'])
def test_scenes_that_lack_a_file_are_not_complete(tmp_path, file):
    settings = dict(train=2, val=1, size=32)
    root = build_digit_scenes(tmp_path / 'scenes', **settings)
    (root / file).unlink()
    with pytest.raises(FileNotFoundError, match=rf'1 files of the DigitScenes .* gone, the first is .*{file}.*--overwrite'):
        build_digit_scenes(root, **settings)
    build_digit_scenes(root, **settings, overwrite=True)
    assert (root / file).is_file()

"""Files are read without running their code, misfits are named, and what is saved comes back exactly."""

import argparse
import collections
import json
import os
import pathlib
import pickle

import numpy as np
import pytest
import safetensors.torch
import torch
from mmengine.logging import MessageHub
from safetensors import safe_open
from torch import nn

from msvit.checkpoints import CheckpointError, read_checkpoint, save_weights

STATE = {'a.weight': torch.randn(3, 4), 'a.bias': torch.randn(3), 'b': torch.tensor(2.5)}


def assert_same(got: dict, expected: dict) -> None:
    assert list(got) == list(expected)
    for name, value in expected.items():
        assert got[name].dtype == value.dtype
        assert torch.equal(got[name], value), name


@pytest.mark.parametrize('name', ['w.pth', 'w.safetensors', 'w'])
@pytest.mark.parametrize('kind', ['zip', 'legacy', 'safetensors'])
def test_kind_of_file_is_told_from_its_contents(kind, name, tmp_path):
    if kind == 'safetensors':
        safetensors.torch.save_file(STATE, tmp_path / name)
    else:
        torch.save(STATE, tmp_path / name, _use_new_zipfile_serialization=kind == 'zip')
    assert_same(dict(sorted(read_checkpoint(tmp_path / name).items())), dict(sorted(STATE.items())))


OTHER = {'other': torch.zeros(1)}


@pytest.mark.parametrize(
    'content',
    [
        pytest.param({'state_dict': STATE, 'meta': {'epoch': 3}, 'optimizer': {'state': OTHER}}, id='mmengine'),
        pytest.param({'model': STATE, 'epoch': 3}, id='deit'),
        pytest.param({'model': OTHER, 'model_ema': STATE}, id='averaged before raw'),
        pytest.param({'state_dict': OTHER, 'state_dict_ema': STATE}, id='timm'),
        pytest.param({'student': OTHER, 'teacher': STATE}, id='dino'),
        pytest.param({'state_dict': {}, 'model': STATE}, id='empty container'),
        pytest.param({**STATE, 'epoch': 3}, id='bare with a number'),
        pytest.param({f'module.{name}': value for name, value in STATE.items()}, id='ddp'),
        pytest.param({'model': {f'_orig_mod.module.{name}': value for name, value in STATE.items()}}, id='compiled ddp'),
    ],
)
def test_containers_and_wrappers(content, tmp_path):
    torch.save(content, tmp_path / 'w.pth')
    assert_same(read_checkpoint(tmp_path / 'w.pth'), STATE)


def test_module_prefix_of_some_names_is_a_name(tmp_path):
    state = {'module.a': torch.ones(1), 'b': torch.ones(1)}
    torch.save(state, tmp_path / 'w.pth')
    assert_same(read_checkpoint(tmp_path / 'w.pth'), state)


def test_training_checkpoints_with_log_buffers_and_arguments(tmp_path):
    hub = MessageHub.get_instance('test_training_checkpoints')
    hub.update_scalar('train/loss', 0.5)
    hub.update_scalar('train/loss', np.float64(0.25))
    hub.update_info('best', np.float32(0.7))
    arguments = argparse.Namespace(lr=np.float64(0.1), output_dir=pathlib.Path('out'), shape=np.ones(3, dtype=np.int64))
    torch.save({'state_dict': STATE, 'message_hub': hub.state_dict(), 'args': arguments}, tmp_path / 'w.pth')
    with pytest.raises(pickle.UnpicklingError):  # the file is one that a plain safe load refuses
        torch.load(tmp_path / 'w.pth', weights_only=True)

    assert_same(read_checkpoint(tmp_path / 'w.pth'), STATE)

    with pytest.raises(pickle.UnpicklingError):  # and nothing stays allowed afterwards
        torch.load(tmp_path / 'w.pth', weights_only=True)


class Malicious:
    def __init__(self, function, argument: str):
        self.call = (function, (argument,))

    def __reduce__(self):
        return self.call


def touch(path: str) -> None:
    pathlib.Path(path).touch()


@pytest.mark.parametrize(
    ('function', 'named'),
    [
        (touch, 'touch'),
        (exec, 'exec'),
        (os.system, 'posix.system|nt.system'),
        (pathlib.Path.touch, 'pathlib.*Path'),
        (collections.OrderedDict.fromkeys, 'function'),
    ],
)
@pytest.mark.parametrize('legacy', [False, True])
def test_pickled_code_is_refused_and_does_not_run(function, named, legacy, tmp_path):
    victim = tmp_path / 'ran'
    argument = f'open({str(victim)!r}, "w").close()' if function is exec else str(victim)
    argument = f'touch {victim}' if 'system' in named else argument
    content = {'state_dict': STATE, 'evil': Malicious(function, argument)}
    torch.save(content, tmp_path / 'w.pth', _use_new_zipfile_serialization=not legacy)

    with pytest.raises(
        CheckpointError, match=f'w.pth holds a pickled .*({named}); unpickling it could run code.*Save only the'
    ):
        read_checkpoint(tmp_path / 'w.pth')

    assert not victim.exists()


def test_whole_pickled_model_is_refused(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / 'w.pth')
    with pytest.raises(CheckpointError, match='holds a pickled torch.nn.modules.linear.Linear'):
        read_checkpoint(tmp_path / 'w.pth')


def test_attributes_are_not_looked_up(tmp_path):
    """``getattr``, which log buffers need, is a stand-in: it does not even see what it is asked for."""

    class Spy:
        def __reduce__(self):
            return getattr, (torch.Tensor, 'there is no such attribute')

    torch.save({'state_dict': STATE, 'spy': Spy()}, tmp_path / 'w.pth')
    assert_same(read_checkpoint(tmp_path / 'w.pth'), STATE)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', r'w\.\w+ \(0 bytes\) is corrupt, truncated, or no checkpoint'),
        (b'\n<!DOCTYPE html><html>404</html>', 'is a web page, not a checkpoint'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0', 'is a pointer of Git LFS'),
        (b'any old bytes that are no checkpoint', 'is corrupt, truncated, or no checkpoint'),
        (b'\x80\x02garbage', 'is corrupt, truncated, or no checkpoint'),
        (bytes(range(256)) * 20, 'is corrupt, truncated, or no checkpoint'),
    ],
    ids=['empty', 'html', 'lfs', 'text', 'pickle', 'binary'],
)
@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_broken_files(content, message, suffix, tmp_path):
    path = tmp_path / f'w.{suffix}'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


@pytest.mark.parametrize('kind', ['zip', 'legacy', 'safetensors'])
@pytest.mark.parametrize('share', [0.05, 0.5, 0.99])
def test_truncated_files(kind, share, tmp_path):
    path = tmp_path / 'w'
    state = {'w': torch.randn(64, 64)}
    if kind == 'safetensors':
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == 'zip')
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match='is corrupt, truncated'):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([torch.ones(1)], 'holds a list, not tensors by name'),
        ({}, 'holds no tensors by name; its entries: none'),
        ({'epoch': 3, 'model': {}}, 'holds no tensors by name; its entries: epoch, model'),
    ],
)
def test_files_without_weights(content, message, tmp_path):
    torch.save(content, tmp_path / 'w.pth')
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / 'w.pth')


def test_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.pth not found$'):
        read_checkpoint(tmp_path / 'none.pth')
    with pytest.raises(FileNotFoundError, match='not found: it is a folder'):
        read_checkpoint(tmp_path)
    with pytest.raises(TypeError, match='by a path or an address, got int'):
        read_checkpoint(3)


def test_header_length_that_looks_like_html_is_no_html(tmp_path):
    header = json.dumps({'w': {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]}}).encode().ljust(0x3C20)
    path = tmp_path / 'w.safetensors'
    path.write_bytes(len(header).to_bytes(8, 'little') + header + b'\0\0\0\0')
    assert path.read_bytes().lstrip().startswith(b'<')
    assert_same(read_checkpoint(path), {'w': torch.zeros(1)})


def test_address_is_downloaded_once_and_kept_apart(tmp_path, monkeypatch):
    torch.save(STATE, tmp_path / 'served.pth')
    fetched = []

    def download(url, file):
        fetched.append(url)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((tmp_path / 'served.pth').read_bytes())

    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    monkeypatch.setattr('msvit.checkpoints.files.download', download)
    for url in ('https://one.example/w.pth?v=1', 'https://one.example/w.pth?v=1', 'https://two.example/w.pth'):
        assert_same(read_checkpoint(url), STATE)
    assert fetched == ['https://one.example/w.pth?v=1', 'https://two.example/w.pth']
    assert len(list((tmp_path / 'hub' / 'checkpoints').iterdir())) == 2


def test_failed_download_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    with pytest.raises(CheckpointError, match='cannot download http://127.0.0.1:9/w.pth .*give its path'):
        read_checkpoint('http://127.0.0.1:9/w.pth')


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_saved_weights_come_back_exactly(dtype, tmp_path):
    state = {'w': (torch.randn(5, 3) * 100).to(dtype), 'strided': (torch.randn(4, 6) * 100).to(dtype).T}
    state['tied'] = state['w']
    path = save_weights(state, tmp_path / 'new' / 'w.safetensors', arch='vit_x')
    got = read_checkpoint(path)
    assert_same({name: got[name] for name in state}, state)
    assert [file.name for file in path.parent.iterdir()] == ['w.safetensors']
    with safe_open(path, 'pt') as file:
        assert file.metadata() == {'format': 'pt', 'origin': 'msvit', 'arch': 'vit_x'}


def test_a_module_is_saved_with_its_buffers(tmp_path):
    model = nn.BatchNorm1d(3)
    got = read_checkpoint(save_weights(model, tmp_path / 'w.safetensors'))
    assert got.keys() == model.state_dict().keys()


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match='name the file w.safetensors, not w.pth'):
        save_weights(STATE, tmp_path / 'w.pth')
    with pytest.raises(ValueError, match=r"only tensors can be saved, got others under: \['epoch'\]"):
        save_weights({**STATE, 'epoch': 3}, tmp_path / 'w.safetensors')
    with pytest.raises(ValueError, match='there are no weights to save'):
        save_weights({}, tmp_path / 'w.safetensors')
    assert not list(tmp_path.iterdir())

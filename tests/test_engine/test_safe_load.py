"""Checkpoints are read without running code."""

import builtins
import pickle
import shutil

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from safetensors.torch import save_file

from msvit.engine.safe_load import load_checkpoint_file


def test_what_a_run_of_mmengine_writes_is_read(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    meta = {'score': np.float64(0.5), 'count': np.int64(2), 'palette': np.eye(2, dtype=np.uint8), 'range': slice(0, 2)}
    torch.save({'state_dict': {'w': torch.ones(2)}, 'meta': meta, 'message_hub': {'loss': history}}, tmp_path / 'a.pth')
    checkpoint = load_checkpoint_file(tmp_path / 'a.pth', map_location='cpu')
    assert torch.equal(checkpoint['state_dict']['w'], torch.ones(2))
    assert checkpoint['meta']['score'] == 0.5
    assert checkpoint['message_hub']['loss'].mean() == 1.5


def test_safetensors_are_read(tmp_path):
    save_file({'w': torch.ones(2)}, tmp_path / 'a.safetensors')
    assert torch.equal(load_checkpoint_file(tmp_path / 'a.safetensors')['state_dict']['w'], torch.ones(2))


class Gadget:
    """A pickle that reaches through an allowed class for something else."""

    def __reduce__(self) -> tuple:
        return builtins.getattr, (HistoryBuffer, '__init__')


@pytest.mark.parametrize('content', [Gadget(), {'meta': Gadget()}, {'path': print}, {'error': pickle.UnpicklingError}])
def test_other_objects_are_refused(tmp_path, content):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='could run code'):
        load_checkpoint_file(tmp_path / 'a.pth')


@pytest.mark.parametrize('name', ['a.pth', 'a.safetensors'])
@pytest.mark.parametrize(
    'content', [b'', b'no checkpoint', b'PK\x03\x04' + bytes(200), bytes(2000)], ids=['empty', 'text', 'zip', 'zeros']
)
def test_damaged_files_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        load_checkpoint_file(tmp_path / name)


@pytest.mark.parametrize('share', [0.05, 0.5, 0.99])
def test_a_truncated_checkpoint_is_named(tmp_path, share):
    torch.save({'state_dict': {'w': torch.ones(5000)}}, tmp_path / 'a.pth')
    content = (tmp_path / 'a.pth').read_bytes()
    (tmp_path / 'a.pth').write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r'a\.pth'):
        load_checkpoint_file(tmp_path / 'a.pth')


def test_a_bare_tensor_is_no_checkpoint(tmp_path):
    torch.save(torch.ones(2), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='holds a Tensor'):
        load_checkpoint_file(tmp_path / 'a.pth')


def test_mmengine_uses_it(tmp_path, safe_loading):
    torch.save({'meta': Gadget()}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='could run code'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))
    with pytest.raises(FileNotFoundError, match='There is no checkpoint'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'b.pth'))


@pytest.mark.parametrize(
    'name', ['torchvision://resnet50', 's3://bucket/a.pth', 'petrel:s3://a.pth', 'open-mmlab://vgg16', 'mmcls://vgg11']
)
def test_addresses_that_would_load_unsafely_are_refused(safe_loading, name):
    with pytest.raises(ValueError, match='is not supported here'):
        CheckpointLoader.load_checkpoint(name)


def test_an_address_is_downloaded_once_and_read_safely(tmp_path, safe_loading, monkeypatch):
    torch.save({'state_dict': {'w': torch.ones(2)}}, tmp_path / 'source.pth')
    downloads = []

    def download(url, path):
        downloads.append(url)
        path.parent.mkdir(parents=True)
        shutil.copy(tmp_path / 'source.pth', path)

    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    monkeypatch.setattr('msvit.checkpoints.files.download', download)
    for _ in range(2):
        checkpoint = CheckpointLoader.load_checkpoint('https://example.org/weights/a.pth?download=1')
        assert torch.equal(checkpoint['state_dict']['w'], torch.ones(2))
    assert downloads == ['https://example.org/weights/a.pth?download=1']

"""Published files hold the weights and what they are of, under a name that tells their contents."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors import safe_open

from msvit.checkpoints import CheckpointError, read_checkpoint, read_dataset_meta, save_weights
from msvit.checkpoints.finite import halved
from msvit.checkpoints.publish import publish_weights
from msvit.version import __version__

CLASSES = dict(classes=('sky', 'señal'), palette=[[0, 0, 0], [255, 0, 9]], label_map=None, reduce_zero_label=False)
KEPT = dict(CLASSES, classes=['sky', 'señal'])
suffixes = pytest.mark.parametrize('suffix', ['safetensors', 'pth'])


@pytest.fixture
def state() -> dict:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(500, 4, generator=generator)
    return {'backbone.w': table[:3], 'backbone.steps': torch.tensor(7), 'head.w': torch.randn(2, 3, generator=generator).T}


@pytest.fixture
def checkpoint(tmp_path, state) -> Path:
    """As mmengine writes it in training."""
    path = tmp_path / 'iter_1.pth'
    content = dict(
        meta=dict(dataset_meta={**CLASSES, 'weights': np.ones(2)}, cfg='model = dict()', seed=3),
        state_dict=state,
        optimizer=dict(state={0: dict(momentum_buffer=torch.ones(3))}),
        param_schedulers=[dict(last_step=1)],
        message_hub=dict(log_scalars=dict(loss=HistoryBuffer([1.0], [1]))),
    )
    torch.save(content, path)
    return path


def assert_same(got: dict, expected: dict) -> None:
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[name], value) and got[name].dtype == value.dtype for name, value in expected.items())


@suffixes
def test_weights_and_what_they_are_of(suffix, checkpoint, state, tmp_path):
    path = publish_weights(checkpoint, tmp_path / 'new' / f'net.v1.{suffix}', config='seg_x')
    assert re.fullmatch(rf'net\.v1-[0-9a-f]{{8}}\.{suffix}', path.name)
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem[-8:])
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.stat().st_size < 6000  # of 'backbone.w', not of the table that it is a part of
    assert path.stat().st_mode == checkpoint.stat().st_mode
    assert_same(read_checkpoint(path), state)
    assert read_dataset_meta(path) == KEPT
    if suffix == 'pth':
        assert torch.load(path, weights_only=True).keys() == {'meta', 'state_dict'}
        assert torch.load(path, weights_only=True)['meta'] == dict(
            msvit_version=__version__, config='seg_x', dataset_meta=KEPT
        )
    else:
        with safe_open(path, 'pt') as file:
            assert {'msvit_version': __version__, 'config': 'seg_x', 'format': 'pt'}.items() <= file.metadata().items()


@suffixes
def test_the_same_weights_give_the_same_file(suffix, checkpoint, state, tmp_path):
    names = {publish_weights(checkpoint, tmp_path / str(i) / f'net.{suffix}').name for i in range(4)}
    assert len(names) == 1
    state['backbone.steps'] += 1
    other = publish_weights(save_weights(state, tmp_path / 'other.safetensors'), tmp_path / f'net.{suffix}')
    assert other.name not in names
    assert read_dataset_meta(other) == {}


@suffixes
def test_a_published_file_can_be_published_again(suffix, checkpoint, tmp_path):
    first = publish_weights(checkpoint, tmp_path / f'net.{suffix}')
    again = publish_weights(first, tmp_path / 'again' / f'net.{suffix}')
    assert again.read_bytes() == first.read_bytes()


@suffixes
def test_half_precision(suffix, checkpoint, state, tmp_path):
    path = publish_weights(checkpoint, tmp_path / f'net.{suffix}', half=True)
    assert_same(read_checkpoint(path), halved(state))
    assert halved(state)['backbone.w'].dtype == torch.float16 and halved(state)['backbone.steps'].dtype == torch.int64


@pytest.mark.parametrize(
    ('value', 'half', 'message'),
    [
        (1e6, True, 'not finite in half precision: head.w$'),
        (float('nan'), False, r'not finite in .*iter_1.pth: head.w$'),
        (float('inf'), True, r'not finite in .*iter_1.pth: head.w$'),
    ],
)
def test_weights_that_are_not_finite_are_refused(value, half, message, checkpoint, state, tmp_path):
    state['head.w'][0, 0] = value
    torch.save(dict(state_dict=state), checkpoint)
    with pytest.raises(CheckpointError, match=message):
        publish_weights(checkpoint, tmp_path / 'net.pth', half=half)
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_a_file_of_this_name_stays_unless_overwriting_is_wanted(checkpoint, tmp_path):
    path = publish_weights(checkpoint, tmp_path / 'net.pth')
    contents = path.read_bytes()
    path.write_bytes(b'precious')
    with pytest.raises(FileExistsError, match=f'{path.name} exists'):
        publish_weights(checkpoint, tmp_path / 'net.pth')
    assert path.read_bytes() == b'precious'
    assert sorted(tmp_path.iterdir()) == [checkpoint, path]
    publish_weights(checkpoint, tmp_path / 'net.pth', overwrite=True)
    assert path.read_bytes() == contents


@pytest.mark.parametrize('name', ['net', 'net.pt', 'net.onnx'])
def test_other_suffixes_are_refused(name, checkpoint, tmp_path):
    with pytest.raises(ValueError, match=f'{name} must end in .safetensors or .pth'):
        publish_weights(checkpoint, tmp_path / name)


def test_pickled_code_does_not_run(tmp_path, state):
    class Payload:
        def __reduce__(self):
            return os.system, (f'touch {tmp_path / "ran"}',)

    torch.save(dict(state_dict=state, meta=dict(dataset_meta=Payload())), tmp_path / 'evil.pth')
    with pytest.raises(CheckpointError, match='could run code'):
        publish_weights(tmp_path / 'evil.pth', tmp_path / 'net.pth')
    assert [path.name for path in tmp_path.iterdir()] == ['evil.pth']


def test_nonsense_in_a_header_is_named(tmp_path, state):
    path = save_weights(state, tmp_path / 'net.safetensors', metadata=dict(dataset_meta='{'))
    with pytest.raises(CheckpointError, match='the metadata of .*net.safetensors makes no sense'):
        read_dataset_meta(path)

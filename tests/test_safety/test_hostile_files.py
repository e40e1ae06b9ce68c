"""Files that are no weights, or claim to be more than they are: one clear line, little memory, nothing run.

To add a kind, add the function that writes it to `HOSTILE`; every way to load weights must refuse it.
"""

import pickle
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from msvit.backbones import MSViT
from msvit.checkpoints import CheckpointError, load_gate, read_checkpoint
from msvit.checkpoints.publish import publish_weights
from msvit.engine.safe_load import load_checkpoint_file

TINY = dict(arch=dict(embed_dim=8, depth=1, num_heads=1, patch_size=4), img_size=16, coarse_patch_size=8)
STATE = {'norm.weight': torch.ones(8), 'norm.bias': torch.zeros(8)}


class Touch:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple:
        return Path.touch, (self.trace,)


def write_empty(path: Path) -> None:
    path.write_bytes(b'')


def write_text(path: Path) -> None:
    path.write_text('weights')


def write_web_page(path: Path) -> None:
    path.write_text('<!DOCTYPE html><html>Not found</html>')


def write_lfs_pointer(path: Path) -> None:
    path.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n')


def write_truncated(path: Path) -> None:
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-300])


def write_truncated_safetensors(path: Path) -> None:
    save_file(STATE, path)
    path.write_bytes(path.read_bytes()[:-8])


def write_long_header(path: Path) -> None:
    path.write_bytes((2**62).to_bytes(8, 'little') + b'{"a":')


def write_pickled_code(path: Path) -> None:
    torch.save({'state_dict': STATE, 'extra': Touch(path.with_name('it_ran'))}, path)


def write_bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Touch(path.with_name('it_ran'))))


def write_list(path: Path) -> None:
    torch.save([1, 2, 3], path)


def write_nothing_inside(path: Path) -> None:
    torch.save({}, path)


def write_nested(path: Path) -> None:
    nested: dict = {}
    for _ in range(400):
        nested = {'a': nested}
    torch.save(nested, path)


def write_shape_of_4_terabytes(path: Path) -> None:
    torch.save({'norm.weight': torch.ones(1).expand(2**40)}, path)


def write_shape_beyond_its_storage(path: Path) -> None:
    """Claims 4 TB in the pickle alone."""
    torch.save({'norm.weight': torch.zeros(77777)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in parts.items():
            claim = b'J' + (77777).to_bytes(4, 'little')
            archive.writestr(name, content.replace(claim, b'\x8a\x06' + (2**40).to_bytes(6, 'little')))


def write_gigabytes_compressed(path: Path) -> None:
    """A torch file whose one storage is zeros, compressed to a thousandth of it."""
    torch.save({'norm.weight': torch.zeros(8)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            if name.endswith('data/0'):
                with archive.open(name, 'w', force_zip64=True) as stream:
                    for _ in range(COMPRESSED_MEGABYTES):
                        stream.write(bytes(2**20))
            else:
                archive.writestr(name, content)


COMPRESSED_MEGABYTES = 220  # 4 GB take a minute to write
HOSTILE = [
    *(write_empty, write_text, write_web_page, write_lfs_pointer, write_truncated, write_truncated_safetensors),
    *(write_long_header, write_pickled_code, write_bare_pickle, write_list, write_nothing_inside, write_nested),
    *(write_shape_of_4_terabytes, write_shape_beyond_its_storage, write_gigabytes_compressed),
]


def load_as_pretrained(path: Path) -> None:
    MSViT(**TINY, pretrained=str(path))


def load_as_resumed(path: Path) -> None:
    """mmengine takes what it gets for weights, and the tools compare them with the model."""
    if not load_checkpoint_file(path, 'cpu').get('state_dict'):
        raise CheckpointError('no weights')


def load_and_publish(path: Path) -> None:
    publish_weights(path, path.with_name('published.safetensors'))


DOORS = [read_checkpoint, load_gate, load_as_pretrained, load_as_resumed, load_and_publish]


@pytest.fixture(scope='module')
def hostile_file(tmp_path_factory) -> Callable[[Callable], Path]:
    """Each kind of file, written once."""
    folder, written = tmp_path_factory.mktemp('hostile'), {}

    def write(kind: Callable) -> Path:
        if kind not in written:
            written[kind] = folder / f'{kind.__name__}.pth'
            kind(written[kind])
        return written[kind]

    return write


@pytest.mark.parametrize('door', DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize('kind', HOSTILE, ids=lambda kind: kind.__name__.removeprefix('write_'))
def test_every_door_refuses_it(hostile_file, kind, door):
    path = hostile_file(kind)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError) as error:
        door(path)
    assert len(str(error.value).splitlines()) <= 12
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
    assert {file.suffix for file in path.parent.iterdir()} == {'.pth'}


def test_what_a_file_claims_is_told(hostile_file):
    with pytest.raises(CheckpointError, match=r'norm\.weight in .* has the shape \(1099511627776,\), 4398046511104 bytes'):
        read_checkpoint(hostile_file(write_shape_of_4_terabytes))
    with pytest.raises(CheckpointError, match=r'would unpack to 2306\d+ bytes: it is compressed'):
        read_checkpoint(hostile_file(write_gigabytes_compressed))
    with pytest.raises(CheckpointError, match='holds a pickled .*could run code'):
        read_checkpoint(hostile_file(write_pickled_code))


def test_a_tensor_that_repeats_itself_is_read(tmp_path):
    torch.save({'w': torch.arange(3.0).expand(4, 3)}, tmp_path / 'w.pth')
    assert torch.equal(read_checkpoint(tmp_path / 'w.pth')['w'], torch.arange(3.0).expand(4, 3))

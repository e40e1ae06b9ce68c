import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[2] / 'tools/dataset_converters'


def load(name: str) -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(FOLDER / f'{name}.py')))


@pytest.fixture
def camvid(tmp_path) -> Path:
    """A tiny CamVid in the SegNet tutorial's layout, annotations of all values 0..11."""
    source, rng = tmp_path / 'CamVid', np.random.default_rng(0)
    for split, count in (('train', 3), ('val', 2), ('test', 1)):
        (source / split).mkdir(parents=True)
        (source / f'{split}annot').mkdir()
        for index in range(count):
            image = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
            Image.fromarray(image).save(source / split / f'{index}.png')
            Image.fromarray(rng.permutation(192).reshape(12, 16).astype(np.uint8) % 12).save(
                source / f'{split}annot' / f'{index}.png'
            )
    return source


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_camvid_round_trip(camvid, tmp_path):
    before = snapshot(camvid)
    load('camvid').main([str(camvid), str(tmp_path / 'out')])
    assert snapshot(camvid) == before
    for split, count in (('train', 3), ('val', 2), ('test', 1)):
        assert len(list((tmp_path / 'out/images' / split).iterdir())) == count
        for path in (tmp_path / 'out/annotations' / split).iterdir():
            source = np.array(Image.open(camvid / f'{split}annot' / path.name))
            labels = np.array(Image.open(path))
            assert (source == 11).any()
            np.testing.assert_array_equal(labels == 255, source == 11)
            np.testing.assert_array_equal(labels[labels != 255], source[source != 11])
            image = tmp_path / 'out/images' / split / path.name
            assert image.read_bytes() == (camvid / split / path.name).read_bytes()


def test_camvid_overwrites_only_when_told(camvid, tmp_path):
    convert, out = load('camvid').main, str(tmp_path / 'out')
    convert([str(camvid), out])
    (tmp_path / 'out/images/train/0.png').write_bytes(b'')
    with pytest.raises(SystemExit, match='exists already; --overwrite'):
        convert([str(camvid), out])
    assert not (tmp_path / 'out/images/train/0.png').read_bytes()
    convert([str(camvid), out, '--overwrite'])
    assert (tmp_path / 'out/images/train/0.png').read_bytes()


def _remove_annotation(source: Path) -> None:
    (source / 'valannot/1.png').unlink()


def _remove_split(source: Path) -> None:
    (source / 'test').rename(source / 'elsewhere')


def _foreign_labels(source: Path) -> None:
    Image.fromarray(np.full((12, 16), 40, dtype=np.uint8)).save(source / 'trainannot/0.png')


@pytest.mark.parametrize(
    'damage, message',
    [
        (_remove_annotation, r'valannot.1\.png is missing'),
        (_remove_split, 'test does not exist; expected in .*trainannot'),
        (_foreign_labels, r'trainannot.0\.png is not one channel of values 0\.\.11'),
    ],
)
def test_camvid_names_what_is_wrong(camvid, tmp_path, damage, message):
    damage(camvid)
    with pytest.raises(SystemExit, match=message):
        load('camvid').main([str(camvid), str(tmp_path / 'out')])


@pytest.mark.parametrize('out', ['', '..'])
def test_camvid_never_writes_over_its_source(camvid, out):
    before = snapshot(camvid)
    with pytest.raises(SystemExit, match='must not lie in the output folder'):
        load('camvid').main([str(camvid), str(camvid / out), '--overwrite'])
    assert snapshot(camvid) == before


def test_digit_scenes_command(tmp_path, capsys):
    main, root = load('digit_scenes').main, str(tmp_path / 'scenes')
    main([root, '--train', '2', '--val', '1', '--size', '64'])
    assert len(list((tmp_path / 'scenes/images').rglob('*.jpg'))) == 3
    assert f'ready in {root}' in capsys.readouterr().out
    with pytest.raises(SystemExit, match='other settings'):
        main([root, '--train', '3', '--val', '1', '--size', '64'])
    main([root, '--train', '3', '--val', '1', '--size', '64', '--overwrite'])
    assert len(list((tmp_path / 'scenes/images').rglob('*.jpg'))) == 4


def test_verify_lists_every_bad_file(camvid, tmp_path, capsys):
    verify, root = load('verify_files').main, tmp_path / 'out'
    load('camvid').main([str(camvid), str(root)])
    with pytest.raises(SystemExit) as done:
        verify([str(root), '--num-classes', '11'])
    assert done.value.code == 0
    image = root / 'images/train/1.png'
    image.write_bytes(image.read_bytes()[:200])
    Image.fromarray(np.full((12, 16), 300, dtype=np.uint16)).save(root / 'annotations/val/0.png')
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        verify([str(root), '--num-classes', '11'])
    lines = capsys.readouterr().out.splitlines()
    assert done.value.code == 1 and lines[-1] == '2 bad files'
    assert 'annotations/val/0.png: holds the values 300' in lines[0]
    assert 'images/train/1.png: ' in lines[1]
    with pytest.raises(SystemExit, match='holds no image file'):
        verify([str(tmp_path / 'nothing')])

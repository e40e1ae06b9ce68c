"""``msvit scales``."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from msvit.checkpoints import save_weights
from msvit.cli import main
from msvit.engine.load_model import build_model

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def run(*arguments) -> None:
    assert main(['scales', *map(str, arguments)]) == 0


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_over_the_test_set_beside_the_dense_model(trained, tmp_path, capsys):
    out, picture, page = tmp_path / 'new' / 'scales.json', tmp_path / 'new' / 'grid.png', tmp_path / 'new' / 'report.html'
    files = ('--picture', picture, '--html', page, '--out', out)
    run(*trained(), '--dense', *trained('seg', gate=None), *files, '--per-picture', 2)
    figures = read(out)
    assert [one['file'] for one in figures['images']] == ['0', '1', '2'] and figures['left_out'] == []
    assert all(one['dense_tokens'] == 256 and 64 <= one['tokens'] <= 256 for one in figures['images'])
    assert figures['summary']['agreement']['mean'] == pytest.approx(np.mean([one['agreement'] for one in figures['images']]))
    assert figures['summary']['accuracy']['min'] == min(one['accuracy'] for one in figures['images'])
    assert sorted(path.name for path in picture.parent.glob('*.png')) == ['grid.png', 'grid_2.png']
    with Image.open(picture) as first, Image.open(picture.with_name('grid_2.png')) as second:
        assert first.width == second.width > 6 * 256 and first.height > second.height + 288
    text = page.read_text()
    assert text.count('<article') == 3 and text.count('ground truth</b>') == 3 and 'dense model</b>' in text
    assert 'grid_2.png' in capsys.readouterr().out
    with pytest.raises(SystemExit, match='grid.png exists, and 1 more: give --overwrite'):
        run(*trained(), *files[:4])


def test_a_threshold_that_the_dense_model_does_not_know(trained, tmp_path):
    out = tmp_path / 'scales.json'
    dense = ('--dense', *trained('seg', gate=None))
    run(*trained(), *dense, '--threshold', 1, '--num-images', 1, '--picture', tmp_path / 'a.png', '--out', out)
    (one,) = read(out)['images']
    assert (one['tokens'], one['dense_tokens'], one['fine_share']) == (64, 256, 0)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Images of every kind, and files that are none."""
    folder = tmp_path / 'photos'
    (folder / 'deeper').mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 4), dtype=np.uint8)
    image, grey = Image.fromarray(noise), Image.fromarray(noise[..., 0])
    exif = Image.Exif()
    exif[0x0112] = 8
    image.save(folder / 'rgba.png')
    image.convert('LA').save(folder / 'la.png')
    image.convert('RGB').convert('CMYK').save(folder / 'cmyk.jpg')
    image.convert('RGB').save(folder / 'deeper' / 'turned.JPG', exif=exif)
    grey.save(folder / 'grey.png')
    grey.convert('1').save(folder / 'bits.png')
    grey.convert('P').save(folder / 'palette.png', transparency=3)
    grey.save(folder / 'animated.gif', save_all=True, append_images=[grey])
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(folder / 'deep.png')
    Image.new('RGB', (1, 1)).save(folder / 'pixel.png')
    Image.new('RGB', (7, 5)).save(folder / 'tiny <b>.png')
    Image.new('RGB', (8000, 40)).save(folder / 'strip.png')
    (folder / 'false.png').write_text('no image')
    (folder / 'cut.jpg').write_bytes((folder / 'cmyk.jpg').read_bytes()[:900])
    (folder / 'readme.txt').write_text('no image')
    return folder


GOOD = {'rgba.png', 'la.png', 'cmyk.jpg', 'turned.JPG', 'grey.png', 'bits.png', 'palette.png', 'animated.gif', 'deep.png'} | {
    'pixel.png',
    'tiny <b>.png',
    'strip.png',
}


def test_a_folder_of_every_kind_of_image(trained, folder, tmp_path, capsys):
    out, picture, page = tmp_path / 'scales.json', folder / 'grid.png', tmp_path / 'report.html'
    arguments = (*trained(), '--images', folder, '--max-side', 128, '--picture', picture, '--html', page, '--out', out)
    for earlier in (picture, folder / 'grid_2.png'):
        Image.new('RGB', (50, 50)).save(earlier)
    run(*arguments, '--overwrite')
    figures = read(out)
    assert {Path(one['file']).name for one in figures['images']} == GOOD, 'its own pictures are no images'
    assert {Path(one['file']).name for one in figures['left_out']} == {'false.png', 'cut.jpg'}
    assert all('cannot be read' in one['reason'] for one in figures['left_out'])
    sizes = {Path(one['file']).name: (one['width'], one['height']) for one in figures['images']}
    assert sizes['turned.JPG'] == (40, 56) and sizes['pixel.png'] == (1, 1) and sizes['strip.png'] == (128, 1)
    assert [one['note'] for one in figures['images'] if one['note']] == ['8000x40 shrunk to 128x1']
    said = capsys.readouterr().out
    assert 'false.png cannot be read' in said and '12 images used, 2 left out' in said
    text = page.read_text()
    assert 'tiny &lt;b&gt;.png' in text and 'tiny <b>' not in text and '2 left out' in text


def test_a_classifier_names_its_classes(folder, tmp_path):
    path = tmp_path / 'tiny.py'
    base = CONFIGS / 'small' / 'msvit_mini4_32x32_cifar10.py'
    names = [f'kind {number}' for number in range(10)]
    path.write_text(
        f"_base_ = '{base}'\nload_from = None\ntest_dataloader = dict(dataset=dict(metainfo=dict(classes={names!r})))\n"
    )
    weights = save_weights(build_model(Config.fromfile(path)), tmp_path / 'tiny.safetensors')
    out = tmp_path / 'scales.json'
    run(path, weights, '--images', folder / 'grey.png', '--picture', tmp_path / 'a.png', '--out', out)
    (one,) = read(out)['images']
    assert one['prediction'] in names and one['dense_prediction'] in names and 'label' not in one
    assert one['dense_tokens'] == 64 and one['agreement'] == (one['prediction'] == one['dense_prediction'])


@pytest.mark.parametrize(
    ('name', 'arguments', 'message'),
    [
        ('msseg', [], 'give --picture FILE.png, --html FILE.html or both'),
        ('seg', ['--picture', 'a.png'], 'has no gate'),
        ('msseg', ['--picture', 'a.png', '--images', 'nowhere'], 'there is no image or folder nowhere'),
        ('msseg', ['--picture', 'a.png', '--images', '{folder}/false.png'], 'no image is left'),
        ('msseg', ['--picture', '{folder}/grey.png'], 'grey.png exists: give --overwrite'),
    ],
)
def test_mistakes_are_named(trained, folder, tmp_path, monkeypatch, name, arguments, message):
    monkeypatch.chdir(tmp_path)
    backbone = dict(gate=None) if name == 'seg' else {}
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        run(*trained(name, **backbone), *(argument.format(folder=folder) for argument in arguments))

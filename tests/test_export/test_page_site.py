"""``msvit page``: what is written, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from exported_models import noisy_image
from PIL import Image

from msvit.cli import main
from msvit.page import web_runtime
from msvit.page.web_runtime import FILES, fetch_runtime


@pytest.fixture
def runtime(tmp_path) -> Path:
    """A folder that looks like onnxruntime-web."""
    folder = tmp_path / 'onnxruntime-web'
    (folder / 'dist').mkdir(parents=True)
    for name in FILES:
        (folder / 'dist' / name).write_text(name)
    (folder / 'package.json').write_text('{"license": "MIT"}')
    return folder


def page(*arguments: object) -> int:
    return main(['page', *map(str, arguments)])


def test_the_site_has_all_it_needs(segmentor, runtime, tmp_path, capsys):
    Image.fromarray(noisy_image(900, 600)).save(tmp_path / 'large_one.png')
    site, out = tmp_path / 'site', tmp_path / 'page.json'
    arguments = (segmentor.path, site, '--samples', tmp_path / 'large_one.png', '--runtime', runtime, '--title', 'Tiles')
    page(*arguments, '--out', out)
    assert 'python -m http.server' in capsys.readouterr().out
    assert (site / 'model.onnx').read_bytes() == segmentor.path.read_bytes()
    assert {path.name for path in (site / 'runtime').iterdir()} == {*FILES, 'package.json'}
    about = json.loads((site / 'model.json').read_text())
    assert (about['title'], about['max_side'], about['task'], about['bytes']) == (
        'Tiles',
        128,
        'segmentation',
        segmentor.path.stat().st_size,
    )
    assert about['samples'] == [dict(name='large one', file='samples/0.png')]
    assert np.asarray(Image.open(site / 'samples/0.png')).shape == (640, 427, 3)
    assert json.loads(out.read_text())['info']['classes'] == list(segmentor.info.classes)
    with pytest.raises(SystemExit, match='index.html exists: give --overwrite'):
        page(*arguments)


def test_the_page_asks_no_other_host(segmentor, runtime, tmp_path):
    page(segmentor.path, tmp_path / 'site', '--runtime', runtime)
    for file in (tmp_path / 'site').iterdir():
        if file.suffix in ('.html', '.css', '.js'):
            text = file.read_text().replace('http://www.w3.org/2000/svg', '')
            assert 'http:' not in text and 'https:' not in text and 'src="//' not in text, file


def test_a_graph_of_another_kind_is_refused(classifier, runtime, tmp_path):
    onnx = pytest.importorskip('onnx')
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in 'xy']
    graph = onnx.helper.make_graph([onnx.helper.make_node('Neg', ['x'], ['y'])], 'other', values[:1], values[1:])
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 20)], ir_version=10), tmp_path / 'other.onnx'
    )
    with pytest.raises(SystemExit, match='other.onnx is not a graph of "msvit export"'):
        page(tmp_path / 'other.onnx', tmp_path / 'site', '--runtime', runtime)
    with pytest.raises(SystemExit, match='takes several images at once'):
        page(classifier.path, tmp_path / 'site', '--runtime', runtime)
    assert not (tmp_path / 'site').exists()


def test_a_sample_that_is_no_image_is_named(segmentor, runtime, tmp_path):
    (tmp_path / 'notes.txt').write_text('no image')
    with pytest.raises(SystemExit, match='notes.txt cannot be read'):
        page(segmentor.path, tmp_path / 'site', '--samples', tmp_path / 'notes.txt', '--runtime', runtime)


def test_another_package_is_refused(segmentor, tmp_path):
    with pytest.raises(SystemExit, match='is neither the archive of "npm pack onnxruntime-web" nor the folder'):
        page(segmentor.path, tmp_path / 'site', '--runtime', tmp_path)


@pytest.mark.parametrize(
    ('npm', 'message'),
    [
        (None, 'npm is not installed: install Node.js, or fetch it where there is a network'),
        ('echo ENOTFOUND >&2; exit 1', r'npm could not fetch onnxruntime-web .* \(ENOTFOUND\): fetch it where'),
    ],
)
def test_without_a_network_it_says_what_to_do(npm, message, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    program = None
    if npm:
        program = tmp_path / 'npm'
        program.write_text(f'#!/bin/sh\n{npm}\n')
        program.chmod(0o755)
    monkeypatch.setattr(web_runtime.shutil, 'which', lambda _: program and str(program))
    with pytest.raises(FileNotFoundError, match=message):
        fetch_runtime()
    assert not list((tmp_path / 'msvit').glob('*')) if (tmp_path / 'msvit').exists() else True


def test_what_was_fetched_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    program = tmp_path / 'npm'
    program.write_text('#!/bin/sh\necho called >> ../../calls\necho archive > onnxruntime-web-x.tgz\n')
    program.chmod(0o755)
    monkeypatch.setattr(web_runtime.shutil, 'which', lambda _: str(program))
    assert fetch_runtime() == fetch_runtime()
    assert fetch_runtime().read_text() == 'archive\n'
    assert (tmp_path / 'calls').read_text() == 'called\n'

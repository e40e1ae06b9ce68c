"""``msvit export``."""

import json

import numpy as np
import pytest
from PIL import Image

from msvit.cli import main
from msvit.export import Agreement

for package in ('onnx', 'onnxruntime', 'onnxscript'):
    pytest.importorskip(package, reason="the extra [onnx] is not installed: pip install -e '.[onnx]'")
SMALL = dict(arch=dict(embed_dim=128, depth=1, num_heads=2, patch_size=8))


def test_a_file_is_written_and_compared(trained, images, tmp_path, capsys):
    from msvit.runtime import OnnxModel

    file, out = tmp_path / 'model.onnx', tmp_path / 'figures.json'
    arguments = [*trained('seg', **SMALL), str(file), '--images', str(images), '--int8', '--normalise', '--out', str(out)]
    main(['export', *arguments])
    said = capsys.readouterr().out
    assert 'segmentation of 11 classes' in said
    figures = json.loads(out.read_text())
    exact, small = figures['agreement']['float32'], figures['agreement']['int8']
    assert exact['images'] == small['images'] == 7
    assert exact['clear_labels_apart'] == exact['decisions_apart'] == small['decisions_apart'] == 0
    assert exact['score_error'] < 1e-4 < small['score_error']
    assert set(exact['seconds']) == {'torch', 'ONNX Runtime'}
    assert figures['bytes'] == file.stat().st_size
    model = OnnxModel(file)
    assert (model.info.weights, model.info.normalised_inside, model.info.threshold) == ('int8', True, None)
    assert model(np.asarray(Image.open(images / 'rgb.jpg'))).labels.shape == (40, 56)
    with pytest.raises(SystemExit, match='exists.*: give --overwrite'):
        main(['export', *arguments])


def test_a_file_that_differs_is_not_kept(trained, images, tmp_path, monkeypatch):
    wrong = Agreement(1, 100, 7, 5, 10, 0, 0, 0.5, dict(torch=1.0, onnx=1.0))
    monkeypatch.setattr('msvit.cli.commands.export.write_onnx', lambda *_: None)
    monkeypatch.setattr('msvit.cli.commands.export.OnnxModel', lambda *_: None)
    monkeypatch.setattr('msvit.cli.commands.export.compare_with_torch', lambda *_: wrong)
    file = tmp_path / 'model.onnx'
    with pytest.raises(SystemExit, match='differs from torch by more than rounding .*: 5 of 100 labels, .* up to 5.0e-01'):
        main(['export', *trained('msseg', **SMALL), str(file), '--images', str(images)])
    assert not file.exists()


def test_without_the_extra_it_says_what_to_install(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'onnxscript', None)
    with pytest.raises(SystemExit, match=r"onnxscript is not installed: pip install 'msvit\[onnx\]'"):
        main(['export', *trained('msseg', **SMALL), str(tmp_path / 'model.onnx')])


def test_images_that_are_not_there_are_named(trained, tmp_path):
    with pytest.raises(SystemExit, match='there is no image or folder nowhere'):
        main(['export', *trained('msseg', **SMALL), str(tmp_path / 'model.onnx'), '--images', 'nowhere'])

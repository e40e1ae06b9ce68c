"""`OnnxModel`: exported files by numpy and onnxruntime alone."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from exported_models import noisy_image
from PIL import Image

from msvit.runtime import ModelInfo, OnnxModel
from msvit.runtime.info import Resizing
from msvit.runtime.resizing import prepare, resize


def test_it_needs_neither_torch_nor_openmmlab(segmentor):
    code = (
        'import sys, numpy\n'
        'from msvit.runtime import OnnxModel\n'
        f'print(OnnxModel({str(segmentor.path)!r})(numpy.zeros((40, 50, 3), numpy.uint8)).labels.shape)\n'
        "assert not {'torch', 'mmengine', 'timm', 'PIL', 'cv2', 'onnx'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert done.stdout == '(40, 50)\n'


def test_pixels_have_labels(segmentor):
    image = noisy_image(90, 70)
    result = segmentor.file(image)
    assert result.labels.shape == (90, 70)
    assert result.scores.shape == (11, 12, 9)
    assert result.p_fine.shape == result.fine_mask.shape == (6, 5)
    assert result.dense_tokens == 12 * 9
    assert result.tokens < result.dense_tokens
    np.testing.assert_array_equal(result.seen, image)
    np.testing.assert_allclose(segmentor.file.probabilities(result.scores).sum(axis=0), 1)


def test_large_images_are_shrunk_and_their_labels_enlarged(segmentor):
    image = np.repeat(np.repeat(noisy_image(80, 60), 4, axis=0), 4, axis=1)
    result = segmentor.file(image, max_side=160)
    assert result.seen.shape == (160, 120, 3)
    assert result.labels.shape == (320, 240)
    assert set(np.unique(result.labels)) == set(np.unique(segmentor.file(result.seen).labels))


def test_images_have_a_label(classifier):
    result = classifier.file(noisy_image(50, 90), threshold=0.0)
    assert result.labels.shape == ()
    assert result.labels == result.scores.argmax()
    assert result.seen.shape == (32, 32, 3)
    assert result.tokens == result.dense_tokens == 64


@pytest.mark.parametrize('shape', [(1, 1), (1, 8000), (8000, 8000)])
def test_images_of_one_pixel_and_of_8000(segmentor, classifier, shape):
    image = np.broadcast_to(np.uint8([10, 200, 90]), (*shape, 3))
    assert segmentor.file(image, max_side=64).labels.shape == shape
    assert classifier.file(image).scores.shape == (10,)


def test_what_would_fill_the_memory_is_refused(segmentor):
    image = np.broadcast_to(np.uint8([10, 200, 90]), (8000, 8000, 3))
    with pytest.raises(
        ValueError, match='8000x8000 pixels make up to 1000000 tokens, which fill the memory: give .* 1024x1024'
    ):
        segmentor.file(image, max_side=8000)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(threshold=1.5), r'threshold must lie in \[0, 1\], got 1.5'),
        (dict(threshold=-0.1), r'threshold must lie in \[0, 1\]'),
        (dict(threshold=float('nan')), r'threshold must lie in \[0, 1\]'),
        (dict(budget=1.5), 'budget must be a number of regions'),
        (dict(budget=-1), 'budget must be a number of regions'),
        (dict(max_side=0), 'max_side must be at least 1'),
    ],
)
def test_settings_out_of_range_are_refused(segmentor, settings, message):
    with pytest.raises(ValueError, match=message):
        segmentor.file(noisy_image(32, 32), **settings)


@pytest.mark.parametrize(
    'image',
    [None, np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)],
)
def test_what_is_no_image_is_refused(segmentor, image):
    with pytest.raises(ValueError, match='an image is an'):
        segmentor.file(image)


def test_one_image_at_a_time(segmentor):
    with pytest.raises(ValueError, match=r'the graph takes images \(1, 3, H, W\)'):
        segmentor.file.run(np.zeros((2, 3, 32, 32), np.float32))


def test_other_files_are_refused(tmp_path):
    onnx = pytest.importorskip('onnx')
    TensorProto, helper, save = onnx.TensorProto, onnx.helper, onnx.save

    text, other = tmp_path / 'text.onnx', tmp_path / 'other.onnx'
    text.write_text('no model')
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in 'xy']
    graph = helper.make_graph([helper.make_node('Neg', ['x'], ['y'])], 'other', values[:1], values[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 20)], ir_version=10), other)
    with pytest.raises(FileNotFoundError, match='there is no file'):
        OnnxModel(tmp_path / 'absent.onnx')
    with pytest.raises(ValueError, match='ONNX Runtime cannot read .*text.onnx'):
        OnnxModel(text)
    with pytest.raises(ValueError, match='other.onnx is not a graph of "msvit export"'):
        OnnxModel(other)


def test_a_file_of_another_version_is_refused(segmentor):
    metadata = {**segmentor.info.to_metadata(), 'msvit.format': '99', 'msvit.version': '"9.9"'}
    with pytest.raises(ValueError, match='another version of msvit'):
        ModelInfo.from_metadata(metadata)


def test_what_is_told_of_a_model_survives_the_file(segmentor):
    info = replace(segmentor.info, budget=0.25, channels='BGR', resizing=Resizing('crop', (24, 20), 28, 'bicubic'))
    assert ModelInfo.from_metadata(info.to_metadata()) == info


@pytest.mark.parametrize('interpolation', ['bilinear', 'bicubic'])
@pytest.mark.parametrize('shape', [(20, 31), (90, 13), (64, 200)])
def test_resizing_is_pillows(interpolation, shape):
    image = noisy_image(64, 50)
    expected = Image.fromarray(image).resize(shape[::-1], getattr(Image.Resampling, interpolation.upper()))
    assert np.abs(resize(image, shape, interpolation) - np.asarray(expected, dtype=np.float32)).max() <= 1


@pytest.mark.parametrize(
    ('resizing', 'shape'),
    [
        (Resizing('none'), (100, 60)),
        (Resizing('stretch', (48, 64)), (48, 64)),
        (Resizing('fit', (50, 200)), (83, 50)),
        (Resizing('crop', (24, 24), 32), (24, 24)),
    ],
)
def test_images_come_to_the_size_of_the_model(resizing, shape):
    assert prepare(noisy_image(100, 60), resizing, max_side=1024).shape == (*shape, 3)

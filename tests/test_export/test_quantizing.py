"""8-bit files: smaller, near to the float32 ones, and with the same decisions."""

import numpy as np
import pytest
from exported_models import noisy_image

from msvit.export import ExportError, compare_with_torch, quantize_onnx
from msvit.runtime import OnnxModel

onnx = pytest.importorskip('onnx', reason='the extra [onnx] is not installed')


def test_decisions_stay_and_scores_are_near(segmentor, tmp_path):
    path = tmp_path / 'int8.onnx'
    quantize_onnx(segmentor.path, path)
    file = OnnxModel(path)
    assert path.stat().st_size < 0.6 * segmentor.path.stat().st_size
    assert file.info.weights == 'int8'
    images = [noisy_image(96, 80, seed) for seed in (0, 1, 3)]
    agreement = compare_with_torch(segmentor.model, file, images, timed=1, rounds=1)
    assert agreement.decides_alike
    assert agreement.decisions_apart == 0
    assert 1e-4 < agreement.score_error < 0.1
    for image in images:
        inputs = file.normalise(image)
        np.testing.assert_array_equal(file.run(inputs)['p_fine'], segmentor.file.run(inputs)['p_fine'])


def test_a_graph_without_linear_layers_is_refused(tmp_path):
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ('x', 'p_fine')]
    graph = helper.make_graph([helper.make_node('Neg', ['x'], ['p_fine'])], 'other', values[:1], values[1:])
    onnx.save(helper.make_model(graph), tmp_path / 'other.onnx')
    with pytest.raises(ExportError, match='nothing to quantise'):
        quantize_onnx(tmp_path / 'other.onnx', tmp_path / 'int8.onnx')

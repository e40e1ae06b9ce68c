"""Files of tiny models, written once."""

import pytest
from exported_models import Exported, export, tiny_model

from msvit.export.onnx_file import require_onnx


def skip_without_exporter() -> None:
    try:
        require_onnx()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='session')
def segmentor(tmp_path_factory, perturb) -> Exported:
    """A Segmenter on DigitScenes: patches of 8 pixels, regions of 16, 11 classes."""
    skip_without_exporter()
    model = tiny_model(perturb, 'msseg_mini8_128x128_digit_scenes', **{'model.decode_head.num_layers': 1})
    return export(model, tmp_path_factory.mktemp('onnx') / 'segmentor.onnx')


@pytest.fixture(scope='session')
def classifier(tmp_path_factory, perturb) -> Exported:
    """A classifier of CIFAR-10, of any batch, which normalises pixels itself: patches of 4 pixels, regions of 8."""
    skip_without_exporter()
    model = tiny_model(perturb, 'msvit_mini4_32x32_cifar10')
    return export(model, tmp_path_factory.mktemp('onnx') / 'classifier.onnx', normalise=True, any_batch=True)

"""Files in the place of their models, in the hosts' own evaluation."""

import numpy as np
import pytest
import torch
from exported_models import Exported, noisy_image
from mmengine.config import Config
from mmpretrain.structures import DataSample
from mmseg.structures import SegDataSample

from msvit.analysis.model import AnalysedModel
from msvit.export import answer_by_file


def host_batch(kind: str, images: list[np.ndarray]) -> dict:
    """What a data loader gives: RGB pixels, as the pipelines of both configs read them."""
    samples = []
    for image in images:
        height, width = image.shape[:2]
        shapes = dict(ori_shape=(height, width), img_shape=(height, width))
        samples.append((SegDataSample if kind == 'segmentor' else DataSample)(metainfo=shapes))
    return dict(inputs=[torch.from_numpy(image).permute(2, 0, 1) for image in images], data_samples=samples)


def predictions(host, kind: str, images: list[np.ndarray]) -> list[torch.Tensor]:
    found = host.test_step(host_batch(kind, images))
    return [sample.pred_sem_seg.data if kind == 'segmentor' else sample.pred_score for sample in found]


@pytest.mark.parametrize('kind', ['segmentor', 'classifier'])
@torch.no_grad()
def test_the_host_predicts_the_same(kind, request):
    exported: Exported = request.getfixturevalue(kind)
    images = [noisy_image(96, 96, seed) for seed in range(2)]
    expected = predictions(exported.model.model, kind, images)
    other = AnalysedModel(exported.model.cfg).model  # of other weights, which must not matter
    assert apart(predictions(other, kind, images), expected) > 0.01
    answer_by_file(other, exported.file)
    assert apart(predictions(other, kind, images), expected) < 1e-4


def apart(found: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    """Share of values that differ."""
    return float(np.mean([(abs(a - b) > 1e-4).float().mean() for a, b in zip(found, expected, strict=True)]))


def test_a_file_for_something_else_is_refused(segmentor, classifier):
    for host, other in ((segmentor, classifier), (classifier, segmentor)):
        with pytest.raises(ValueError, match='is a file for .* and the config one for'):
            answer_by_file(host.model.model, other.file)
    cfg = Config(segmentor.model.cfg.to_dict())
    cfg.model.decode_head.num_classes = 5
    with pytest.raises(ValueError, match='11 classes, and the config one for segmentation of 5'):
        answer_by_file(AnalysedModel(cfg).model, segmentor.file)

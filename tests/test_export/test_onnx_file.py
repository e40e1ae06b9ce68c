"""ONNX files: what ONNX Runtime makes of them is what torch makes of the model."""

import numpy as np
import pytest
import torch
from exported_models import Exported, noisy_image
from shipped_configs import load_config

from msvit.analysis.model import AnalysedModel
from msvit.export import ExportError, compare_with_torch, describe_model, write_onnx
from msvit.export.checking import BORDERLINE
from msvit.runtime import OnnxModel

onnx = pytest.importorskip('onnx', reason='the extra [onnx] is not installed')
RANDOM = dict(type='msvit.RandomGate', coarse_patch_size=8)
SIZES = [(128, 128), (131, 90), (40, 200), (16, 16), (9, 33), (1, 1), (1, 50)]


@pytest.mark.parametrize('shape', SIZES)
@pytest.mark.parametrize('kind', ['segmentor', 'classifier'])
def test_equals_torch_at_any_size(kind, shape, request):
    exported: Exported = request.getfixturevalue(kind)
    images = [noisy_image(*shape, seed) for seed in range(2)]
    agreement = compare_with_torch(exported.model, exported.file, images, timed=1, rounds=1)
    assert agreement.is_exact, agreement
    assert agreement.images == 2
    assert agreement.labels == 2 * 2 * (shape[0] * shape[1] if kind == 'segmentor' else 1)


def test_tokens_follow_threshold_and_budget(segmentor):
    inputs = segmentor.file.normalise(noisy_image(128, 128))
    by_threshold = [int(segmentor.file.run(inputs, threshold=t)['tokens'][0]) for t in (0.0, 0.3, 0.5, 0.7, 1.0)]
    assert by_threshold == sorted(by_threshold, reverse=True)
    assert (by_threshold[0], by_threshold[-1]) == (256, 64)
    assert len(set(by_threshold)) >= 4
    for budget, fine in ((0, 0), (10, 10), (1000, 64), (0.5, 32), (0.29, 18)):
        outputs = segmentor.file.run(inputs, threshold=0.0, budget=budget)
        assert outputs['fine_mask'].sum() == fine
        assert outputs['tokens'] == 64 + 3 * fine
    best = segmentor.file.run(inputs, threshold=0.0, budget=10)
    assert best['p_fine'][best['fine_mask']].min() >= best['p_fine'][~best['fine_mask']].max()


@pytest.mark.parametrize(('given', 'counts_as'), [(-1.0, 0.0), (7.0, 1.0)])
def test_a_threshold_outside_its_range_counts_as_the_nearer_end_of_it(segmentor, given, counts_as):
    """A graph cannot refuse; `OnnxModel` does, before it asks the graph."""
    feed = dict(images=segmentor.file.normalise(noisy_image(64, 64)), budget=np.array(99, np.int64))
    tokens = [
        segmentor.file.session.run(['tokens'], {**feed, 'threshold': np.array(t, np.float32)})[0] for t in (given, counts_as)
    ]
    assert tokens[0] == tokens[1]


def test_equal_regions_get_a_budget_in_their_order(segmentor):
    """Flat regions are equally sure; torch and ONNX Runtime choose the same ones."""
    flat = np.full((64, 96, 3), 200, dtype=np.uint8)
    mask = segmentor.file.run(segmentor.file.normalise(flat), threshold=0.0, budget=7)['fine_mask']
    assert mask.flatten().tolist() == [True] * 7 + [False] * 17
    gate = segmentor.model.backbone.gate
    gate.threshold, gate.budget = 0.0, 7
    try:
        images = torch.from_numpy(segmentor.file.normalise(flat))
        assert segmentor.model.backbone.decide(images).fine_mask.numpy().tolist() == mask.tolist()
    finally:
        gate.threshold, gate.budget = 0.5, None


def test_the_file_tells_what_it_is(segmentor, classifier):
    model = onnx.load(segmentor.path)
    assert [value.name for value in model.graph.input] == ['images', 'threshold', 'budget']
    assert [value.name for value in model.graph.output] == ['labels', 'scores', 'fine_mask', 'p_fine', 'tokens']
    sizes = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == [1, 3, 'height', 'width']
    assert [opset.version for opset in model.opset_import if opset.domain == ''] == [20]
    info = segmentor.info
    assert (info.task, info.patch_size, info.coarse_patch_size, info.image_size) == ('segmentation', 8, 16, (128, 128))
    assert len(info.classes) == len(info.palette) == 11
    assert (info.mean, info.std, info.channels, info.normalised_inside) == ((127.5,) * 3, (127.5,) * 3, 'RGB', False)
    assert classifier.info.normalised_inside
    assert classifier.info.resizing.mode == 'stretch'
    assert classifier.info.classes == tuple(map(str, range(10)))


def test_the_file_says_nothing_of_the_machine_that_wrote_it(segmentor):
    content = segmentor.path.read_bytes()
    assert b'site-packages' not in content
    assert b'.py' not in content.replace(b'torch.ops', b'')


def test_several_images_at_once(classifier):
    images = [noisy_image(32, 48, seed) for seed in range(5)]
    inputs = np.concatenate([classifier.file.normalise(image) for image in images])
    together = classifier.file.run(inputs)
    assert len(set(together['tokens'].tolist())) > 1
    for image, scores, tokens in zip(images, together['scores'], together['tokens'], strict=True):
        alone = classifier.file.run(classifier.file.normalise(image))
        np.testing.assert_allclose(scores, alone['scores'][0], atol=1e-4 * np.abs(scores).max())
        assert tokens == alone['tokens'][0]


def test_a_file_of_other_weights_is_found_out(segmentor, tmp_path):
    """The comparison that the command relies on is no formality."""
    model = onnx.load(segmentor.path)
    weight = next(tensor for tensor in model.graph.initializer if tuple(tensor.dims) == (512, 128))  # of the encoder
    values = onnx.numpy_helper.to_array(weight) * np.float32(1.01)
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / 'other.onnx')
    agreement = compare_with_torch(segmentor.model, OnnxModel(tmp_path / 'other.onnx'), [noisy_image(128, 128)], 1, 1)
    assert not agreement.is_exact
    assert agreement.score_error > 1e-4 > BORDERLINE


class _Counts(torch.nn.Module):
    """Asks Python how many values are positive."""

    def forward(self, tokens):
        return tuple(map(self._one, tokens))

    def _one(self, tokens):
        features = tokens.to_map()
        return features if int((features > 0).sum()) > 5 else -features


@pytest.mark.parametrize(
    ('name', 'settings', 'message'),
    [
        ('msswin_mini4_c16_fcn_128x128_digit_scenes', {}, "the backbone's MSSwin cannot be exported: which windows"),
        (
            'msvit_mini4_32x32_cifar10',
            {'model.backbone.gate': RANDOM},
            'the gate, a RandomGate',
        ),
        ('msvit_mini8_linear_128x128_digit_scenes', {'model.neck': dict(type=_Counts)}, 'neck, a _Counts, cannot be exported'),
    ],
)
def test_what_cannot_be_exported_is_named(name, settings, message, tmp_path):
    cfg = load_config(name)
    if 'model.neck' in settings:
        settings = {**settings, 'model.backbone.out_type': 'tokens'}
    if 'model.backbone.gate' in settings:
        cfg.model.backbone.pop('gate')
        cfg.model.backbone.pop('gate_loss')
    for key, value in settings.items():
        cfg.merge_from_dict({key: value})
    model = AnalysedModel(cfg)
    with pytest.raises(ExportError, match=message):
        write_onnx(model, describe_model(model), tmp_path / 'model.onnx')
    assert not (tmp_path / 'model.onnx').exists()

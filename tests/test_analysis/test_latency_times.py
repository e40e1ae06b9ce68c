"""Times in turns, against tokens, and over images."""

import time

import numpy as np
import pandas as pd
import pytest
import torch
from mmengine.config import Config

from msvit.analysis.latency import interleaved_medians, interleaved_times, seconds_per_item, short
from msvit.analysis.latency.images import Pair, time_images, time_pairs
from msvit.analysis.latency.tokens import set_precision, spaced_tokens, summarise_tokens, time_tokens
from msvit.analysis.model import AnalysedModel
from msvit.analysis.samples import Sample
from msvit.analysis.table import spread

VIT = dict(type='msvit.MSViT', arch=dict(embed_dim=16, depth=2, num_heads=2, patch_size=8), img_size=64, out_type='cls_token')
SWIN = dict(
    type='msvit.MSSwin',
    arch=dict(embed_dim=16, depths=(2, 2), num_heads=(1, 2), window_size=4, patch_size=8),
    img_size=64,
    out_type='avg_featmap',
)
GATE = dict(type='msvit.MLPGate', hidden_dims=(8,), init_p_fine=0.5)


@pytest.fixture
def classifier():
    """Makes a classifier of 64x64 images, 64 fine cells in 16 regions; seeded."""

    def build(backbone=VIT, gate=GATE) -> AnalysedModel:
        torch.manual_seed(0)
        head = dict(type='LinearClsHead', in_channels=16 if backbone is VIT else 32, num_classes=3)
        backbone = dict(backbone, coarse_patch_size=16, gate=gate)
        preprocessor = dict(mean=[0.0] * 3, std=[1.0] * 3)
        model = dict(type='ImageClassifier', backbone=backbone, head=head, data_preprocessor=preprocessor)
        return AnalysedModel(Config(dict(default_scope='mmpretrain', model=model)))

    return build


def samples(count: int) -> list[Sample]:
    images = torch.randn(count, 1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return [Sample(str(i), np.zeros((64, 64, 3), dtype=np.uint8), image) for i, image in enumerate(images)]


def test_runs_take_turns():
    calls = []
    runs = {name: lambda name=name: calls.append(name) for name in 'abc'}
    times = interleaved_times(runs, rounds=2, warm_up=1)
    assert calls == list('abc' * 3)
    assert {name: len(seconds) for name, seconds in times.items()} == dict(a=2, b=2, c=2)


def test_runs_take_turns_on_each_item():
    calls = []
    runs = {name: lambda item, name=name: calls.append(name + item) for name in 'ab'}
    assert seconds_per_item(runs, 'xy', rounds=1).keys() == set('ab')
    assert calls == ['ax', 'bx', 'ay', 'by'] * 2  # once to warm up


def test_seconds_are_the_mean_over_items_of_medians():
    naps = dict(x=iter((0, 0.01, 0.01, 0.2)), y=iter((0, 0.03, 0.03, 0.2)))
    (seconds,) = seconds_per_item(dict(nap=lambda item: time.sleep(next(naps[item]))), 'xy', rounds=3).values()
    assert 0.02 <= seconds < 0.1


def test_times_are_seconds():
    naps = iter((0, 0.03, 0.01, 0.02))  # the first one warms up
    (seconds,) = interleaved_times(dict(nap=lambda: time.sleep(next(naps))), rounds=3, warm_up=1).values()
    assert all(nap <= second < nap + 1 for nap, second in zip((0.03, 0.01, 0.02), seconds, strict=True))


def test_medians_of_all_times():
    naps = iter((0.2, 0.02, 0.02, 0, 0.02))
    assert 0.02 <= interleaved_medians(dict(nap=lambda: time.sleep(next(naps))), rounds=5, warm_up=0)['nap'] < 0.2


def test_spreads_are_of_the_values_themselves():
    values = [1.0, 2.0, 4.0, 9.0]
    (row,) = spread(pd.DataFrame(dict(a=values))).to_dict('records')
    percentiles = np.percentile(values, (0, 5, 25, 50, 75, 95, 100))
    names = ('min', 'p5', 'p25', 'median', 'p75', 'p95', 'max')
    assert row == pytest.approx(dict(mean=4, std=np.std(values), **dict(zip(names, percentiles, strict=True))))


def test_times_are_summed_up_by_batch_and_tokens():
    calls = {0: [0.4, 0.8, 0.6], 1: [0.2]}
    rows = [
        dict(batch=4, number=number, part='model', tokens=10 - number, seconds=one, ms=250 * one)
        for number, seconds in calls.items()
        for one in seconds
    ]
    (group,) = summarise_tokens(pd.DataFrame(rows))
    assert group['dense']['seconds']['model']['median'] == pytest.approx(0.6)
    assert group['dense']['seconds']['model']['max'] == pytest.approx(0.8)
    (mixed,) = group['mixed']
    assert (mixed['batch'], mixed['tokens']) == (4, 9) and mixed['faster']['model'] == pytest.approx(3)


def test_pairs_are_timed_image_by_image():
    naps = dict(dense=lambda: time.sleep(0.02), mixed=lambda: None)
    (image,) = time_pairs([Pair('one', naps, dict(dense=64, mixed=16))], rounds=1).itertuples()
    assert (image.name, image.tokens, image.dense_tokens) == ('one', 16, 64)
    assert image.dense > 0.02 > image.mixed and image.faster == image.dense / image.mixed


@pytest.mark.parametrize(('value', 'text'), [(0, '0'), (0.01234, '0.0123'), (99.94, '99.9'), (123.4, '123'), (15300, '15300')])
def test_figures_without_exponents(value, text):
    assert short(value) == text


def test_blocks_see_the_tokens_that_are_reported(classifier):
    model, seen = classifier(), []
    model.backbone.blocks[0].register_forward_pre_hook(lambda block, args: seen.append(args[0].shape[:2].numel()))
    gate = model.backbone.gate
    groups = summarise_tokens(time_tokens(model, [16, 30, 31, 64], batch_sizes=(1, 3), rounds=1))
    assert [group['dense']['tokens'] for group in groups] == [64, 64]
    assert [[point['tokens'] for point in group['mixed']] for group in groups] == [[16, 31, 31, 64]] * 2
    assert {part: one['std'] for part, one in groups[0]['dense']['seconds'].items()} == dict(blocks=0, backbone=0, model=0)
    lengths = [batch * (1 + tokens) for batch in (1, 3) for tokens in (64, 16, 31, 31, 64)]
    assert seen == 3 * [length for length in lengths for _ in range(3)]  # two rounds of warm-up, three parts
    assert model.backbone.gate is gate


def test_the_gate_runs_but_in_blocks_and_dense(classifier):
    model, calls = classifier(), []
    model.backbone.gate.register_forward_hook(lambda *_: calls.append(1))
    time_tokens(model, [16, 64], rounds=2)
    making_tokens = 2 * 2  # once to count them, once for the blocks
    assert len(calls) == making_tokens + (2 + 2) * 2 * 2


def test_encode_is_the_second_half(classifier):
    net = classifier().backbone
    images, mask = torch.randn(2, 3, 64, 64), torch.rand(2, 4, 4) > 0.5
    with torch.no_grad():
        assert torch.equal(net.encode(net.tokenize(images, mask)).x, net.forward_tokens(images, mask).x)


def test_swin_has_no_blocks_alone(classifier):
    times = time_tokens(classifier(SWIN), [31], rounds=1)
    assert list(times.part) == ['backbone', 'model'] * 2 and list(times.tokens) == [64] * 2 + [31] * 2


def test_counts_are_evenly_spaced(classifier):
    assert spaced_tokens(classifier()) == [16, 26, 35, 45, 54, 64]


@pytest.mark.parametrize('backbone', [VIT, SWIN], ids=['ViT', 'Swin'])
def test_half_precision(classifier, backbone):
    model = classifier(backbone)
    set_precision(model, torch.bfloat16)
    assert {parameter.dtype for parameter in model.model.parameters()} == {torch.bfloat16}
    assert model.model.data_preprocessor.mean.dtype == torch.float32
    assert time_tokens(model, [31], rounds=1).tokens.iloc[-1] == 31
    assert len(time_images(model, samples(1), rounds=1)) == 1


def test_images_as_the_gate_decides(classifier):
    model, outputs = classifier(), []
    gate = model.backbone.gate
    forward, model.forward = model.forward, lambda inputs: outputs.append(forward(inputs)) or outputs[-1]
    images = time_images(model, samples(3), rounds=2)
    with torch.no_grad():
        masks = [gate(sample.inputs).fine_mask for sample in samples(3)]
    assert list(images.tokens) == [16 + 3 * int(mask.sum()) for mask in masks]
    assert images.tokens.nunique() > 1
    assert set(images.dense_tokens) == {64}
    assert model.backbone.gate is gate
    dense, mixed = (torch.stack(outputs[start::2]).view(3, 3, 1, 3) for start in (0, 1))  # a round of warm-up, two timed
    assert torch.equal(dense[0], dense[2]) and torch.equal(mixed[0], mixed[2])
    assert not torch.allclose(dense[0], mixed[0])


def test_what_is_dense_and_what_is_mixed(classifier):
    model = classifier()
    model.forward = lambda inputs: time.sleep(0.02 if model.backbone.gate is None else 0)
    (image,) = time_images(model, samples(1), rounds=2).itertuples()
    assert image.mixed < 0.02 < image.dense
    assert image.faster == image.dense / image.mixed


def test_without_a_gate_there_is_nothing_to_compare(classifier):
    with pytest.raises(ValueError, match='has no gate'):
        time_images(classifier(gate=None), samples(1))

"""Rescaled patches: what resampled weights must keep, and which sizes meet."""

from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config

from msvit.analysis.model import AnalysedModel
from msvit.analysis.rescaling.places import OwnInput, places_of_images, places_of_tokens, sized_models
from msvit.analysis.rescaling.study import best_at_equal_tokens, evaluate_rescaled
from msvit.analysis.rescaling.weights import METHODS, require_vit, resample_projection, rescaled
from msvit.analysis.samples import Sample
from msvit.gates import RadialGate

ARCH = dict(embed_dim=32, depth=2, num_heads=2, patch_size=8)
PREPROCESSOR = dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True, num_classes=10)
MIXED = dict(gate=dict(type='msvit.MLPGate', init_p_fine=0.5))


@pytest.fixture
def classifier(perturb):
    def build(**backbone) -> AnalysedModel:
        settings = dict(type='msvit.MSViT', arch=ARCH, img_size=32, coarse_patch_size=16, out_type='cls_token')
        model = dict(
            type='ImageClassifier',
            backbone={**settings, **backbone},
            head=dict(type='LinearClsHead', in_channels=32, num_classes=10),
            data_preprocessor=dict(type='ClsDataPreprocessor', **PREPROCESSOR),
        )
        torch.manual_seed(0)
        built = AnalysedModel(Config(dict(default_scope='mmpretrain', model=model)))
        perturb(built.model)
        return built

    return build


def samples_of(shape: tuple[int, int], count: int = 5) -> list[Sample]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 3, *shape, generator=generator).split(1)
    return [Sample(str(i), np.zeros((*shape, 3), np.uint8), one, label=i % 10) for i, one in enumerate(inputs)]


def enlarge_patches(images: torch.Tensor, size: int, wanted: int) -> torch.Tensor:
    """Resize every patch by itself, so that none sees its neighbours."""
    batch, channels, height, width = images.shape
    patches = images.unfold(2, size, size).unfold(3, size, size)
    rows, columns = height // size, width // size
    resized = F.interpolate(patches.reshape(-1, 1, size, size), size=(wanted, wanted), mode='bilinear')
    resized = resized.reshape(batch, channels, rows, columns, wanted, wanted).transpose(3, 4)
    return resized.reshape(batch, channels, rows * wanted, columns * wanted)


@pytest.mark.parametrize('wanted', [9, 16, 24])
def test_flexivit_gives_enlarged_patches_their_tokens(tiny_msvit, assert_relative, wanted):
    net, images = tiny_msvit(), torch.randn(2, 3, 32, 32)
    expected = net.tokenize(images).x
    with rescaled(net, resample_projection(net.patch_embed.proj, wanted, 'flexi'), 'bilinear'):
        actual = net.tokenize(enlarge_patches(images, 8, wanted)).x
    assert_relative(actual, expected)


@pytest.mark.parametrize('wanted', [4, 6])
def test_flexivit_comes_closest_to_the_tokens_of_shrunk_patches(tiny_msvit, assert_relative, wanted):
    projection = tiny_msvit().patch_embed.proj
    pixels = torch.eye(64).reshape(64, 1, 8, 8)  # each pixel alone
    shrinking = F.interpolate(pixels, size=(wanted, wanted), mode='bilinear', antialias=True).flatten(1).double()
    expected = torch.linalg.lstsq(shrinking, projection.weight.double().flatten(2).flatten(0, 1).T).solution.T
    actual = resample_projection(projection, wanted, 'flexi').weight
    assert_relative(actual.flatten(2).flatten(0, 1), expected.float(), 1e-4)


@pytest.mark.parametrize('kernel', ['bilinear', 'flexi'])
def test_even_patches_keep_their_tokens(tiny_msvit, assert_relative, kernel):
    net, colour = tiny_msvit(), torch.randn(2, 3, 1, 1)
    expected = net.tokenize(colour.expand(-1, -1, 32, 32)).x
    with rescaled(net, resample_projection(net.patch_embed.proj, 16, kernel), 'bilinear'):
        actual = net.tokenize(colour.expand(-1, -1, 64, 64)).x
    assert_relative(actual, expected, 1e-4)


def test_even_kernels_keep_their_sum_where_patches_shrink(tiny_msvit, assert_relative):
    projection = tiny_msvit().patch_embed.proj
    torch.nn.init.constant_(projection.weight, 0.5)
    assert_relative(resample_projection(projection, 4, 'bilinear').weight, torch.full((32, 3, 4, 4), 2.0))


@pytest.mark.parametrize('gate', [None, MIXED['gate']])
def test_own_sizes_leave_the_model_untouched(tiny_msvit, gate):
    net, images = tiny_msvit(gate=gate), torch.randn(2, 3, 32, 32)
    before, state = net(images)[0], {name: value.clone() for name, value in net.state_dict().items()}
    projection = resample_projection(net.patch_embed.proj, 8, 'flexi')
    assert projection is net.patch_embed.proj
    with rescaled(net, projection, net.pos_embed_mode):
        assert torch.equal(net(images)[0], before)
    with rescaled(net, resample_projection(projection, 4, 'flexi'), 'bicubic'):
        assert net(images)[0].shape[-2:] == (8, 8)
    assert torch.equal(net(images)[0], before)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize('mode', ['bilinear', 'bicubic'])
def test_positions_stay_on_their_own_grid(tiny_msvit, mode):
    net = tiny_msvit()
    torch.nn.init.zeros_(net.patch_embed.proj.weight)
    tokens = net.tokenize(torch.zeros(1, 3, 32, 32)).x
    with rescaled(net, resample_projection(net.patch_embed.proj, 16, 'bilinear'), mode):
        assert torch.equal(net.tokenize(torch.zeros(1, 3, 64, 64)).x, tokens)


def test_the_gate_sees_the_regions_that_it_knows(tiny_msvit):
    net = tiny_msvit(gate=MIXED['gate'])
    torch.nn.init.normal_(net.gate.mlp[-1].weight)
    images = F.interpolate(torch.randn(4, 3, 8, 8), scale_factor=4)
    expected = net.decide(images).fine_mask
    assert 0 < expected.float().mean() < 1
    gate_macs = net.macs(net.grid(images), torch.tensor([16])).gate
    large = F.interpolate(images, scale_factor=2)  # nearest: shrinking with antialiasing gives a blurred image back
    back = F.interpolate(large, size=(32, 32), mode='bilinear', antialias=True)
    with rescaled(net, resample_projection(net.patch_embed.proj, 16, 'flexi'), 'bilinear'):
        assert torch.equal(net.decide(large).fine_mask, net.gate.gate(back).fine_mask)
        assert net.decide(large).fine_mask.shape == expected.shape
        assert torch.equal(net.macs(net.grid(large), torch.tensor([16])).gate, gate_macs)


def test_a_fixed_gate_stays_fixed(tiny_msvit):
    net = tiny_msvit(gate=RadialGate(16, fine_share=0.25))
    with rescaled(net, resample_projection(net.patch_embed.proj, 4, 'flexi'), 'bilinear'):
        assert net.tokenize(torch.randn(2, 3, 32, 32)).counts.tolist() == [28, 28]


OWN = OwnInput(patch_size=8, ratio=2, shape=(64, 96))


def test_places_of_tokens_meet_at_equal_tokens():
    places = places_of_tokens(OWN, [4, 8, 16], [4, 8])
    assert [(one.tokens_per_side, one.patch_size, one.img_size) for one in places] == [
        (4, 4, (16, 24)),
        (4, 8, (32, 48)),
        (4, 16, (64, 96)),
        (8, 4, (32, 48)),
        (8, 8, (64, 96)),
        (8, 16, (128, 192)),
    ]
    assert [one.is_own for one in places] == [False] * 4 + [True, False]
    assert [one.enlargement for one in places] == [Fraction(1, 4), Fraction(1, 2), 1, Fraction(1, 2), 1, 2]


def test_the_own_place_is_always_there():
    assert [one.is_own for one in places_of_tokens(OWN, [4], [6])] == [False, True]


def test_defaults_keep_regions_whole():
    assert OWN.patch_sizes() == [4, 8, 16]
    assert OWN.token_counts() == [4, 6, 8, 12]
    vit = OwnInput(patch_size=7, ratio=2, shape=(98, 98))
    assert vit.patch_sizes() == [7, 14]
    assert vit.token_counts() == [8, 10, 14, 20]


def test_places_of_images():
    places = places_of_images(OWN, [8, 16], [32, 64])
    assert [(one.patch_size, one.tokens_per_side) for one in places] == [(16, 2), (8, 4), (16, 4), (8, 8)]
    with pytest.raises(ValueError, match='patches of 12 pixels do not fit images of 32: choose 24 or 36'):
        places_of_images(OWN, [12], [32])


@pytest.mark.parametrize('backbone', [{}, MIXED])
def test_scores_are_those_of_models_run_by_hand(classifier, backbone):
    model, samples = classifier(**backbone), samples_of((32, 32))
    own = OwnInput.of(model, samples[0].inputs)
    scores = evaluate_rescaled(model, samples, places_of_tokens(own, [8, 16], [2, 4]))
    images, labels = torch.cat([sample.inputs for sample in samples]), torch.arange(5)
    untouched = model.forward(images).argmax(dim=1)
    home, there = scores[scores.own], scores[scores.img_size == (64, 64)].set_index('method')
    assert list(home.method) == list(there.index) == [method.name for method in METHODS]
    assert (home.agreement == 100).all()
    assert list(home.accuracy) == [pytest.approx(100 * (untouched == labels).float().mean().item())] * 3
    large = F.interpolate(images, size=(64, 64), mode='bilinear', antialias=True)
    for method in METHODS:
        projection = resample_projection(model.backbone.patch_embed.proj, 16, method.kernel)
        with rescaled(model.backbone, projection, method.positions):
            said = model.forward(large).argmax(dim=1)
            counts = model.backbone.tokenize(large).counts
        score = there.loc[method.name]
        assert score.accuracy == pytest.approx(100 * (said == labels).float().mean().item())
        assert score.agreement == pytest.approx(100 * (said == untouched).float().mean().item())
        assert score.tokens == pytest.approx(counts.float().mean().item())
    assert backbone or set(scores[scores.tokens_per_side == 2].tokens) == {4}


def test_images_that_are_read_larger_are_used_as_they_are(classifier):
    model, samples = classifier(), samples_of((32, 32), 3)
    own = OwnInput.of(model, samples[0].inputs)
    places = places_of_tokens(own, [16], [4])
    torch.manual_seed(1)
    large = [Sample(one.name, np.zeros((64, 64, 3), np.uint8), torch.randn(1, 3, 64, 64)) for one in samples[1:]]
    scores = evaluate_rescaled(model, samples, places, METHODS[:1], {Fraction(2): large})
    (score,) = scores[~scores.own].itertuples()
    assert score.read and score.method == 'linear' and 0 <= score.accuracy <= 100
    images, own_images = (torch.cat([one.inputs for one in group]) for group in (large, samples[1:]))
    untouched = model.forward(own_images).argmax(dim=1)
    with rescaled(model.backbone, resample_projection(model.backbone.patch_embed.proj, 16, 'bilinear'), 'bilinear'):
        said = model.forward(images).argmax(dim=1)
    assert score.agreement == pytest.approx(100 * (said == untouched).float().mean().item())


def test_without_labels_there_is_agreement_alone(classifier):
    model = classifier()
    samples = [Sample(one.name, one.image, one.inputs) for one in samples_of((32, 48), 2)]
    own = OwnInput.of(model, samples[0].inputs)
    scores = evaluate_rescaled(model, samples, places_of_tokens(own, [8, 16], [4]))
    assert scores.accuracy.isna().all()
    (best,) = best_at_equal_tokens(scores).itertuples()
    assert best.own


@pytest.mark.parametrize(
    ('pipeline', 'sizes'),
    [
        ([dict(type='LoadImageFromFile'), dict(type='PackInputs')], {}),
        ([dict(type='ResizeEdge', scale=36), dict(type='CenterCrop', crop_size=32)], {Fraction(2): 64, Fraction(1, 2): 16}),
    ],
    ids=['resizes nothing', 'resizes'],
)
def test_pipelines_that_resize_give_other_sizes(classifier, pipeline, sizes):
    model = classifier()
    model.cfg.test_dataloader = dict(dataset=dict(pipeline=pipeline))
    twins = sized_models(model, [Fraction(1), Fraction(2), Fraction(1, 2), Fraction(1, 3)])
    crops = {key: twin.cfg.test_dataloader.dataset.pipeline[1].crop_size for key, twin in twins.items()}
    assert crops == sizes
    assert model.cfg.model.backbone.img_size == 32


def test_other_backbones_are_refused(tiny_msswin):
    with pytest.raises(TypeError, match='MSSwin has windows'):
        require_vit(tiny_msswin())

"""The mixed-scale head against mmseg's own on replicated maps."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads import SegmenterMaskTransformerHead
from mmseg.structures import SegDataSample

from msvit.drop_path import ImageDropPath
from msvit.heads import MixedScaleSegmenterHead
from msvit.necks import ReplicateTokens
from msvit.registry import MODELS


def build_pair(perturb, num_classes: int = 5, num_layers: int = 2, **kwargs):
    """The two heads with the same weights, without the dropout that mmseg's head has by default."""
    options = dict(
        in_channels=32, channels=24, in_index=-1, num_layers=num_layers, num_heads=2, embed_dims=24, num_classes=num_classes
    )
    options = {**options, 'drop_path_rate': 0.0, 'dropout_ratio': 0.0, **kwargs}
    torch.manual_seed(0)
    ours, theirs = MixedScaleSegmenterHead(**options), SegmenterMaskTransformerHead(**options)
    perturb(theirs)
    ours.load_state_dict(theirs.state_dict())
    return ours.eval(), theirs.eval()


@pytest.fixture
def tokens_of(tiny_msvit, layout):
    """Mixed-scale tokens of random images and masks, ragged, in evaluation or training mode."""

    def _tokens_of(size, training=False):
        net = tiny_msvit(layout=layout, out_type='tokens').train(training)
        images = torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(0))
        regions = net.grid(images).region_shape
        mask = torch.rand(3, *regions, generator=torch.Generator().manual_seed(1)) > 0.5
        mask[2] = False
        return net(images, fine_mask=mask)

    return _tokens_of


@pytest.mark.parametrize('size', [(32, 32), (40, 56), (48, 24), (37, 21), (8, 8)])
@pytest.mark.parametrize(
    ('num_classes', 'dtype', 'tolerance'),
    # two classes: the norm over them magnifies rounding where both score the same
    [(5, torch.float32, 1e-5), (150, torch.float32, 1e-5), (2, torch.float64, 1e-6)],
)
def test_the_logits_are_mmsegs(size, num_classes, dtype, tolerance, tokens_of, perturb, assert_relative):
    ours, theirs = (head.to(dtype) for head in build_pair(perturb, num_classes))
    (tokens,) = tokens_of(size)
    tokens = (tokens.with_features(tokens.x.to(dtype)),)
    with torch.no_grad():
        expected = theirs(ReplicateTokens()(tokens))
        actual = ours(tokens)
    assert actual.shape == (3, num_classes, -(-size[0] // 8), -(-size[1] // 8))
    assert_relative(actual, expected, tolerance)


@pytest.mark.parametrize('num_layers', [1, 3])
def test_gradients_are_mmsegs(num_layers, tokens_of, perturb):
    ours, theirs = build_pair(perturb, num_layers=num_layers)
    ours.train()
    theirs.train()
    gradients = []
    for head, neck in ((ours, lambda tokens: tokens), (theirs, ReplicateTokens())):
        (tokens,) = tokens_of((40, 56), training=True)
        x = tokens.x.detach().requires_grad_()
        logits = head(neck((tokens.with_features(x),)))
        (logits * torch.linspace(-1, 1, logits.shape[1])[:, None, None]).pow(3).sum().backward()
        gradients.append({'features': x.grad, **{name: p.grad for name, p in head.named_parameters() if p.grad is not None}})
    actual, expected = gradients
    assert actual.keys() == expected.keys()
    scale = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in expected.items():
        error = (actual[name] - gradient).abs().max() / gradient.abs().max().clamp_min(1e-3 * scale)
        assert error < 5e-5, (name, error)


def test_layouts_need_no_conversion_from_a_training_gate(tiny_msvit, perturb, layout):
    gate = dict(type='msvit.MLPGate', hidden_dims=(8,), init_p_fine=0.5)
    net = tiny_msvit(layout=layout, out_type='tokens', gate=gate).train()
    ours, theirs = build_pair(perturb)
    tokens = net(torch.randn(2, 3, 32, 32))
    torch.testing.assert_close(ours(tokens), theirs(ReplicateTokens()(tokens)), atol=1e-4, rtol=1e-4)
    ours(tokens).square().sum().backward()
    assert net.gate.mlp[0].weight.grad.abs().sum() > 0


def test_drop_path_stands_where_mmseg_has_it_and_drops_images(tokens_of, perturb):
    ours, theirs = build_pair(perturb, num_layers=3, drop_path_rate=0.4)
    rates = [getattr(layer.ffn.dropout_layer, 'rate', 0.0) for layer in ours.layers]
    assert rates == pytest.approx([getattr(layer.ffn.dropout_layer, 'drop_prob', 0.0) for layer in theirs.layers])
    assert not any(isinstance(part, ImageDropPath) for layer in ours.layers for part in layer.attn.modules())
    tokens = tokens_of((32, 32))
    still = ours(tokens)
    ours.train()
    changed = torch.zeros(3)
    for seed in range(40):
        torch.manual_seed(seed)
        changed += (ours(tokens) != still).flatten(1).any(dim=1)
    assert (changed > 0).all()
    alone, _ = build_pair(perturb, num_layers=1, drop_path_rate=0.4)
    assert isinstance(alone.layers[0].ffn.dropout_layer, torch.nn.Identity)


def test_it_has_mmsegs_losses_and_predictions(tokens_of, perturb):
    ours, theirs = build_pair(perturb)
    tokens = tokens_of((32, 32))
    samples = []
    for seed in range(3):
        truth = torch.randint(0, 5, (1, 32, 32), generator=torch.Generator().manual_seed(seed))
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=truth), metainfo=dict(img_shape=(32, 32))))
    losses, expected = ours.loss(tokens, samples, None), theirs.loss(ReplicateTokens()(tokens), samples, None)
    assert losses.keys() == expected.keys()
    for name in losses:
        torch.testing.assert_close(losses[name], expected[name], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('mode', [True, False])
def test_mixed_precision(mode, tokens_of, perturb):
    ours, _ = build_pair(perturb)
    tokens = tokens_of((40, 32))
    exact = ours(tokens)
    with torch.autocast('cpu', torch.bfloat16):
        rounded = ours.train(mode)(tokens)
    torch.testing.assert_close(rounded.float(), exact, atol=0.2, rtol=0.1)


def test_feature_maps_are_refused(perturb):
    ours, _ = build_pair(perturb)
    with pytest.raises(TypeError, match="takes MixedTokens, got Tensor: set .*out_type='tokens'"):
        ours((torch.zeros(1, 32, 4, 4),))


def test_attention_dropout_is_refused(perturb):
    with pytest.raises(ValueError, match='has no attention dropout: set attn_drop_rate=0'):
        build_pair(perturb, attn_drop_rate=0.1)


def test_found_in_the_registry():
    config = dict(in_channels=32, channels=24, num_layers=1, num_heads=2, embed_dims=24, num_classes=3)
    assert isinstance(MODELS.build(dict(type='msvit.MixedScaleSegmenterHead', **config)), MixedScaleSegmenterHead)

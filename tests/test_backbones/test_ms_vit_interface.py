"""Names, shapes, options and messages of MSViT."""

import copy

import pytest
import torch
from mmseg.registry import MODELS as MMSEG_MODELS

from msvit.backbones import MSViT
from msvit.checkpoints import CheckpointError, load_vit, save_weights
from msvit.gates import MLPGate
from msvit.losses import GBaSLoss
from msvit.registry import MODELS
from msvit.tokens import MixedTokens

GATE = dict(type='msvit.MLPGate', hidden_dims=(8,), init_p_fine=0.5)


@pytest.fixture
def images():
    return torch.randn(2, 3, 40, 56, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask():
    return torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(1)) > 0.5


@pytest.mark.parametrize('registry', [MODELS, MMSEG_MODELS])
def test_found_in_the_registries(registry):
    config = dict(
        type='msvit.MSViT', arch=dict(embed_dim=16, depth=1, num_heads=1, patch_size=8), coarse_patch_size=16, gate=GATE
    )
    net = registry.build(config)
    assert isinstance(net, MSViT)
    assert isinstance(net.gate, MLPGate)
    assert net.gate.coarse_patch_size == 16


def test_a_name_of_timm():
    net = MSViT('vit_tiny_patch16_224', img_size=(64, 96), gate=dict(type='msvit.RadialGate', fine_share=0.5)).eval()
    (features,) = net(torch.zeros(1, 3, 64, 96))
    assert features.shape == (1, 192, 4, 6)
    assert net.tokenize(torch.zeros(1, 3, 64, 96)).counts.tolist() == [3 * 4 + 3]


def test_out_types(tiny_msvit, images, mask, layout, assert_relative):
    net = tiny_msvit(layout=layout, out_type='tokens')
    (tokens,) = net(images, fine_mask=mask)
    assert isinstance(tokens, MixedTokens)
    assert tokens.layout == layout
    assert torch.equal(tokens.fine_mask, mask)
    assert tokens.counts.tolist() == net.grid(images).active(mask).sum(1).tolist()
    assert tokens.to_map().shape == (2, 32, 5, 7)
    assert tokens.prefix().shape == (2, 1, 32)
    net.out_type = 'featmap'
    (features,) = net(images, fine_mask=mask)
    assert_relative(features, tokens.to_map())
    net.out_type = 'cls_token'
    (cls_token,) = net(images, fine_mask=mask)
    assert_relative(cls_token, tokens.prefix()[:, 0])
    assert_relative(net.forward_tokens(images, mask).x, tokens.x)
    assert net.tokenize(images, mask).x.shape == tokens.x.shape


def test_coarse_tokens_are_replicated(tiny_msvit, images, mask):
    (features,) = tiny_msvit()(images, fine_mask=mask)
    for b, y, x in (~mask).nonzero().tolist():
        region = features[b, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        assert (region == region[:, :1, :1]).all()
    b, y, x = next(cell for cell in mask.nonzero().tolist() if cell[1] < 2 and cell[2] < 3)
    region = features[b, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].flatten(1)
    assert region.unique(dim=1).shape[1] == 4


def test_out_indices(tiny_msvit, images, mask, assert_relative):
    arch = dict(depth=3)
    net = tiny_msvit(arch, out_indices=(0, -1))
    middle, last = net(images, fine_mask=mask)
    assert_relative(last, tiny_msvit(arch)(images, fine_mask=mask)[0])
    tokens = net.tokenize(images, mask)
    expected = net.blocks[0](tokens.x, tokens.index)
    assert_relative(middle, tokens.with_features(expected).to_map())
    # the whole encoder, whatever is listed
    early = tiny_msvit(arch, out_indices=[0])
    assert_relative(early(images, fine_mask=mask)[0], middle)
    assert_relative(early.forward_tokens(images, mask).to_map(), last)


def test_the_gate_decides_unless_a_mask_is_given(tiny_msvit, images, mask):
    net = tiny_msvit(gate=GATE)
    decided = net.forward_tokens(images)
    assert 0 < decided.fine_mask.float().mean() < 1
    assert torch.equal(decided.fine_mask, net.decide(images).fine_mask)
    assert torch.equal(net.forward_tokens(images, mask).fine_mask, mask)
    assert torch.equal(net.forward_tokens(images, mask.int().tolist()).fine_mask, mask)
    assert net.tokenize(images[..., :8, :8]).fine_mask.shape == (2, 1, 1)


@pytest.mark.parametrize('size', [(8, 8), (5, 3), (16, 16), (17, 40)])
@pytest.mark.parametrize('fine', [True, False])
def test_images_smaller_than_a_region(tiny_msvit, layout, size, fine):
    net = tiny_msvit(layout=layout)
    regions = -(-size[0] // 16), -(-size[1] // 16)
    mask = torch.full((2, *regions), fine)
    tokens = net.forward_tokens(torch.randn(2, 3, *size), mask)
    cells = -(-size[0] // 8), -(-size[1] // 8)
    assert tokens.to_map().shape == (2, 32, *cells)
    assert tokens.counts.tolist() == [cells[0] * cells[1] if fine else regions[0] * regions[1]] * 2


def test_copies_and_state_dicts_are_the_same_net(tiny_msvit, images, layout):
    options = dict(gate=GATE, gate_loss=dict(type='msvit.GBaSLoss', grid=(3, 4)), drop_path_rate=0.2, layout=layout)
    net = tiny_msvit(**options)
    (expected,) = net(images)
    net.train()(images)  # leaves nothing behind that cannot be copied
    net.pop_gate_losses()
    assert torch.equal(copy.deepcopy(net).eval()(images)[0], expected)
    other = tiny_msvit(seed=1, **options)
    assert not torch.allclose(other(images)[0], expected)
    assert other.load_state_dict(net.state_dict()).missing_keys == []
    assert torch.equal(other(images)[0], expected)
    assert {name.split('.')[0] for name in net.state_dict()} == {
        *('patch_embed', 'cls_token', 'pos_embed', 'blocks', 'norm', 'gate', 'gate_loss')
    }


def test_weights_from_a_file(tiny_msvit, images, tmp_path):
    net = tiny_msvit(gate=GATE)
    torch.save(net.state_dict(), tmp_path / 'weights.pth')
    arch = dict(embed_dim=32, depth=2, num_heads=2, patch_size=8)
    other = MSViT(arch, img_size=32, coarse_patch_size=16, gate=GATE, pretrained=tmp_path / 'weights.pth').eval()
    assert torch.equal(other(images)[0], net(images)[0])


ARCH = dict(embed_dim=16, depth=2, num_heads=2, patch_size=8)
MIXED = dict(arch=ARCH, img_size=32, coarse_patch_size=16)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(img_size=36), 'img_size .36, 36. is no multiple of the patch size 8'),
        (dict(coarse_patch_size=12), 'coarse_patch_size 12 must be a larger multiple of the patch size 8, for instance 16'),
        (dict(coarse_patch_size=8), 'coarse_patch_size 8 must be a larger multiple'),
        (dict(coarse_patch_size=0), 'coarse_patch_size 0 must be a larger multiple'),
        (dict(layout='padded'), "unknown layout 'padded': choose one of 'masked', 'trimmed', 'packed'"),
        (dict(train_layout='padded'), "unknown layout 'padded'"),
        (dict(out_type='map'), "unknown out_type 'map'"),
        (dict(arch=dict(ARCH, class_token=False), out_type='cls_token'), 'needs a ViT with a class token'),
        (dict(pos_embed_mode='nearest'), "unknown pos_embed_mode 'nearest'"),
        (dict(out_indices=()), r'out_indices \(\) must name some of the 2 blocks'),
        (dict(out_indices=(2,)), r'out_indices \(2,\) must name some of the 2 blocks'),
        (dict(out_indices=(-3,)), r'out_indices \(-3,\) must name'),
        (dict(drop_path_rate=1.0), r'drop_path_rate must lie in \[0, 1\), got 1.0'),
        (dict(drop_path_rate=-0.1), r'drop_path_rate must lie in \[0, 1\), got -0.1'),
        (dict(frozen_stages=3), r'frozen_stages must lie in \[-1, 2\], got 3'),
        (dict(frozen_stages=-2), r'frozen_stages must lie in \[-1, 2\], got -2'),
        (dict(arch=dict(ARCH, embed_dim=17, num_heads=2)), 'is refused by timm: '),
        (dict(arch=dict(ARCH, embed_dims=16)), "is refused by timm: .*'embed_dims'"),
        (dict(gate=MLPGate(32)), 'the gate looks at regions of 32 pixels, the backbone has coarse_patch_size=16'),
        (dict(gate_loss=GBaSLoss((2, 2))), 'gate_loss has nothing to train'),
        (dict(gate=dict(type='msvit.RadialGate'), gate_loss=GBaSLoss((2, 2))), 'gate_loss has nothing to train'),
        (dict(pretrained=True), 'need the name of a timm architecture'),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        MSViT(**{**MIXED, **options})


def test_a_gate_is_a_gate():
    with pytest.raises(TypeError, match='gate must be a msvit gate .* got Linear'):
        MSViT(**{**MIXED, 'gate': torch.nn.Linear(1, 1)})


@pytest.mark.parametrize('shape', [(2, 4, 3), (1, 3, 4), (3, 4), (2, 3, 5)])
def test_a_mask_must_fit(tiny_msvit, images, shape):
    with pytest.raises(ValueError, match=r'fine_mask has shape .*; 2 images of 40x56 pixels.*need \(2, 3, 4\)'):
        tiny_msvit()(images, fine_mask=torch.ones(shape, dtype=torch.bool))


@pytest.mark.parametrize('shape', [(3, 32, 32), (2, 1, 32, 32), (0, 3, 32, 32), (2, 3, 0, 32)])
def test_images_must_fit(tiny_msvit, shape):
    with pytest.raises(ValueError, match=r'images must have shape \(batch, 3, height, width\)'):
        tiny_msvit()(torch.zeros(shape))


@pytest.mark.parametrize('class_token', [True, False])
def test_a_checkpoint_of_another_image_size_loads(class_token, tiny_msvit, assert_relative):
    arch = dict(class_token=class_token)
    small, large = tiny_msvit(arch, seed=1), tiny_msvit(arch, seed=2, img_size=64, pos_embed_mode='bicubic')
    state = {f'backbone.{name}': value for name, value in small.state_dict().items()}
    host = torch.nn.ModuleDict({'backbone': large})
    host.load_state_dict(state)
    images = torch.randn(1, 3, 64, 64)
    small.pos_embed_mode = 'bicubic'
    assert_relative(large(images)[0], small(images)[0])
    with pytest.raises(RuntimeError, match='size mismatch for pos_embed'):
        large.load_state_dict({**small.state_dict(), 'pos_embed': torch.zeros(1, 12, 32)})


@pytest.mark.parametrize('shape', [(1, 12, 32), (1, 1, 32), (1, 0, 32), (32,)])
def test_positions_that_are_no_square_are_refused(tiny_msvit, shape):
    net = tiny_msvit()
    with pytest.raises(RuntimeError, match='size mismatch for pos_embed'):
        net.load_state_dict({**net.state_dict(), 'pos_embed': torch.zeros(shape)})


@pytest.mark.parametrize(
    ('part', 'names'),
    [
        ('gate', r'msvit has msvit\.ContextGate, msvit\.MLPGate, .*msvit\.TrainedGate, msvit\.UniformGate'),
        ('gate_loss', r'msvit has .*msvit\.GBaSLoss'),
    ],
)
@pytest.mark.parametrize('config', [dict(type='msvit.Nonsense'), dict(type='Nonsense'), dict(target=0.5)])
def test_an_unknown_gate_or_loss_is_answered_with_the_known_ones(tiny_msvit, part, names, config):
    with pytest.raises(ValueError, match=f'is not registered; {names}'):
        tiny_msvit(**{'gate': GATE, part: config})


@pytest.mark.parametrize('img_size, grid', [(32, (2, 2)), (48, (3, 3)), ((32, 56), (2, 4))])
def test_the_priors_grid_is_that_of_the_image_unless_given(tiny_msvit, img_size, grid):
    for loss in ('GBaSLoss', 'BaSLoss', 'L0Loss', 'TargetLoss'):
        net = tiny_msvit(img_size=img_size, gate=GATE, gate_loss=dict(type=f'msvit.{loss}'))
        if loss == 'GBaSLoss':
            assert net.gate_loss.prior_mean.shape == grid
    given = tiny_msvit(img_size=img_size, gate=GATE, gate_loss=dict(type='msvit.GBaSLoss', grid=(5, 6)))
    assert given.gate_loss.prior_mean.shape == (5, 6)


def test_images_that_the_priors_do_not_fit_are_an_error(tiny_msvit):
    net = tiny_msvit(gate=GATE, gate_loss=dict(type='msvit.GBaSLoss')).train()
    with pytest.raises(ValueError, match=r'learned priors have grid \(2, 2\), but p_fine has shape \(2, 3, 2\): set grid='):
        net(torch.zeros(2, 3, 48, 32))


@pytest.mark.parametrize('strict', [True, False])
def test_a_gate_of_another_shape_is_refused(tiny_msvit, strict):
    """mmengine loads without ``strict``, which would only warn."""
    small = tiny_msvit(gate=GATE)
    wide = tiny_msvit(gate=dict(GATE, hidden_dims=(16,)))
    with pytest.raises(
        CheckpointError, match=r'gate has another shape: gate\.mlp\.0\.weight is \(16, 768\) there and \(8, 768\)'
    ):
        small.load_state_dict(wide.state_dict(), strict=strict)
    small.load_state_dict(tiny_msvit().state_dict(), strict=False)  # none at all may be wanted


@pytest.mark.parametrize('strict', [True, False])
def test_a_gate_of_another_kind_is_refused(tiny_msvit, strict):
    net, other = tiny_msvit(gate=dict(type='msvit.ContextGate')), tiny_msvit(gate=GATE)
    with pytest.raises(
        CheckpointError, match=r'gate is another one: it lacks gate\.stem\.0\.linear\.weight, which the ContextGate'
    ):
        net.load_state_dict(other.state_dict(), strict=strict)
    tiny_msvit(gate=dict(type='msvit.RadialGate')).load_state_dict(other.state_dict(), strict=False)  # a control


@pytest.mark.parametrize('several', [False, True])
def test_learned_priors_are_resized_with_the_image(tiny_msvit, tmp_path, several):
    loss = dict(type='msvit.GBaSLoss', target=0.25)
    loss = [loss] if several else loss
    small, large = (tiny_msvit(gate=GATE, gate_loss=loss, img_size=size, seed=seed) for size, seed in ((32, 1), (64, 2)))
    path = save_weights(small, tmp_path / 'small.safetensors')
    for load in (lambda: large.load_state_dict(small.state_dict()), lambda: load_vit(large, path)):
        ours, theirs = (net.gate_loss[0] if several else net.gate_loss for net in (large, small))
        torch.nn.init.zeros_(ours.prior_logit)
        load()
        assert ours.prior_mean.shape == (4, 4)
        ours, theirs = ours.prior_logit, theirs.prior_logit
        torch.testing.assert_close(ours[[0, 0, -1, -1], [0, -1, 0, -1]], theirs.flatten())

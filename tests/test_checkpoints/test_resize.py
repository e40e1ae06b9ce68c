"""Position embeddings on another grid and with another set of prefix tokens."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import resample_abs_pos_embed

from msvit.checkpoints import CheckpointError, fit_positions, load_vit, resize_pos_embed


def test_same_grid_is_the_identity():
    pos = torch.randn(1, 1 + 12, 8)
    assert resize_pos_embed(pos, (3, 4), (3, 4), num_prefix=1) is pos


@pytest.mark.parametrize('mode', ['bicubic', 'bilinear'])
@pytest.mark.parametrize('grid', [(7, 5), (2, 9), (8, 8)])
def test_resize_is_timms_and_keeps_the_prefix(mode, grid):
    pos = torch.randn(1, 2 + 16, 8)
    got = resize_pos_embed(pos, grid, (4, 4), num_prefix=2, mode=mode)
    assert got.shape == (1, 2 + grid[0] * grid[1], 8)
    assert torch.equal(got[:, :2], pos[:, :2])
    torch.testing.assert_close(got, resample_abs_pos_embed(pos, grid, (4, 4), 2, mode))


def test_linear_resize_by_hand():
    """Halving a ramp with antialiased linear interpolation averages neighbours with weights 3, 3, 1 at the border."""
    pos = torch.arange(4.0).reshape(1, 4, 1)
    got = resize_pos_embed(pos, (1, 2), (1, 4), mode='bilinear').flatten()
    torch.testing.assert_close(got, torch.tensor([(3 * 0 + 3 * 1 + 2) / 7, (3 * 3 + 3 * 2 + 1) / 7]))


@given(
    h=st.integers(1, 6),
    w=st.integers(1, 6),
    target_h=st.integers(1, 6),
    target_w=st.integers(1, 6),
    mode=st.sampled_from(['bicubic', 'bilinear']),
)
@settings(max_examples=40, deadline=None)
def test_a_constant_stays_constant_on_any_grid(h, w, target_h, target_w, mode):
    pos = torch.full((1, h * w, 3), 0.7)
    torch.testing.assert_close(
        resize_pos_embed(pos, (target_h, target_w), (h, w), mode=mode), torch.full((1, target_h * target_w, 3), 0.7)
    )


def test_same_number_of_positions_on_another_grid_is_resized():
    pos = torch.randn(1, 16, 8)
    assert not torch.equal(resize_pos_embed(pos, (4, 4), (2, 8)), pos)


def test_bad_arguments():
    with pytest.raises(ValueError, match="mode must be one of bicubic, bilinear, got 'nearest'"):
        resize_pos_embed(torch.zeros(1, 4, 2), (3, 3), (2, 2), mode='nearest')
    with pytest.raises(ValueError, match='5 positions are not 0 prefix tokens and a grid of 2x2'):
        resize_pos_embed(torch.zeros(1, 5, 2), (3, 3), (2, 2))


@pytest.mark.parametrize('img_size', [64, 96, (64, 128), (32, 80)])
def test_loading_resizes_to_the_models_grid(img_size, tiny_timm):
    source, model = tiny_timm(seed=2), tiny_timm(img_size=img_size)
    report = load_vit(model, source.state_dict())
    expected = resample_abs_pos_embed(source.pos_embed, model.patch_embed.grid_size, (4, 4))
    torch.testing.assert_close(model.pos_embed, expected)
    assert any('resized' in note for note in report.notes) == (img_size != 64)


@pytest.mark.parametrize('registers', [0, 4])
@pytest.mark.parametrize('source_covers', [True, False])
@pytest.mark.parametrize('target_covers', [True, False])
def test_positions_of_prefix_tokens_change_place_but_not_the_network(
    registers, source_covers, target_covers, images, tiny_timm
):
    source = tiny_timm(seed=2, reg_tokens=registers, no_embed_class=not source_covers)
    model = tiny_timm(reg_tokens=registers, no_embed_class=not target_covers)
    load_vit(model, source.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(model.forward_features(images), source.forward_features(images), rtol=1e-5, atol=1e-5)


def test_distillation_token_is_dropped_with_its_position(tiny_timm):
    source = tiny_timm(seed=2, arch='deit_tiny_distilled_patch16_224')
    model = tiny_timm()
    report = load_vit(model, source.state_dict())
    assert 'distillation token and its position dropped: the model has none' in report.notes
    assert torch.equal(model.pos_embed, source.pos_embed[:, [0, *range(2, 18)]])
    assert torch.equal(model.cls_token, source.cls_token)


def test_ambiguous_grid_asks_for_it(tiny_timm):
    """16 patches on a 2x8 model: the checkpoint may be 4x4 or 2x8."""
    source, model = tiny_timm(seed=2), tiny_timm(img_size=(32, 128))
    with pytest.raises(CheckpointError, match='16 patch positions may be 2x8 or 4x4: state source_grid'):
        load_vit(model, source.state_dict())
    load_vit(model, source.state_dict(), source_grid=(2, 8))
    assert torch.equal(model.pos_embed, source.pos_embed)
    load_vit(model, source.state_dict(), source_grid=(4, 4))
    assert not torch.equal(model.pos_embed, source.pos_embed)


@pytest.mark.parametrize('source_grid', [None, (5, 5)])
def test_grid_that_does_not_fit_is_refused(source_grid, tiny_timm):
    model = tiny_timm()
    state = {**model.state_dict(), 'pos_embed': torch.zeros(1, 1 + 14, 48)}
    with pytest.raises(CheckpointError, match='15 positions of the checkpoint, 1 prefix tokens, do not fit'):
        fit_positions(state, model.state_dict(), (4, 4), source_grid=source_grid)


def test_non_square_checkpoint_reloads_into_its_own_model(tiny_timm):
    source, model = tiny_timm(seed=2, img_size=(144, 176)), tiny_timm(img_size=(144, 176))
    assert source.pos_embed.shape[1] == 100  # a square number, prefix token included
    load_vit(model, source.state_dict())
    assert torch.equal(model.pos_embed, source.pos_embed)

"""timm's own ViTs of every kind: which become MSViTs that compute the same, and why the others do not."""

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from msvit.backbones import MSViT
from msvit.backbones.block import MixedScaleBlock
from msvit.tokens import LAYOUTS

# With the patch size.
NAMES = {
    'vit_tiny_patch16_224': 16,
    'vit_small_patch8_224': 8,
    'vit_small_patch32_224': 32,
    'vit_small_patch16_384.augreg_in21k_ft_in1k': 16,
    'vit_base_patch16_224.mae': 16,
    'deit_tiny_patch16_224': 16,
    'deit_tiny_distilled_patch16_224': 16,
    'deit3_small_patch16_224': 16,  # LayerScale, no position of the class token
    'vit_small_patch14_dinov2': 14,
    'vit_small_patch14_reg4_dinov2': 14,
    'vit_base_patch16_siglip_224': 16,  # no class token, attention pooling
    'vit_base_patch32_siglip_256.v2_webli': 32,
    'vit_base_patch16_siglip_gap_224': 16,  # mean pooling after the norm
    'vit_so400m_patch14_siglip_224': 14,
    'vit_wee_patch16_reg1_gap_256': 16,  # mean pooling before the norm
    'vit_xsmall_patch16_clip_224': 16,  # norm before the blocks
    'vit_base_patch32_clip_quickgelu_224': 32,
    'vit_intern300m_patch14_448': 14,  # no final norm
    'vit_base_patch16_radio_v3': 16,
    'beit3_base_patch16_224': 16,  # norms within attention and MLP
    'aimv2_large_patch14_224': 14,  # RMS norm, SwiGLU, no biases
    'flexivit_small': 16,
}
KEPT_BLOCKS = 2
PLAIN_VIT = 'mixed-scale tokens need a plain ViT'
STANDARD_BLOCK = "only timm's standard pre-norm Block with its standard Attention"
REFUSED = {
    'vit_small_patch16_rope_224': 'not a VisionTransformer but .* Eva: .*rotary positions',
    'vit_small_patch16_dinov3': 'not a VisionTransformer but .* Eva: .*rotary positions',
    'eva02_tiny_patch14_224': 'not a VisionTransformer but .* Eva: .*rotary positions',
    'vit_relpos_small_patch16_224': 'VisionTransformerRelPos: its attention adds relative position biases',
    'vit_srelpos_small_patch16_224': 'VisionTransformerRelPos: its attention adds relative position biases',
    'beit_base_patch16_224': 'Beit: its attention adds relative position biases',
    'samvit_base_patch16': 'VisionTransformerSAM: its attention sees windows',
    'naflexvit_base_patch16_gap': 'NaFlexVit: it embeds patches that are cut before',
    'mobilevit_xxs': f'ByobNet: {PLAIN_VIT}',
    'swin_tiny_patch4_window7_224': f'SwinTransformer: {PLAIN_VIT}',
    'resnet18': f'ResNet: {PLAIN_VIT}',
    'vit_small_r26_s32_224': 'embeds patches by HybridEmbed: only a single patch convolution',
    'vit_base_resnet50d_224': 'embeds patches by HybridEmbed: only a single patch convolution',
    'vit_base_mci_224': 'embeds patches by HybridEmbed: only a single patch convolution',
    'vit_base_patch16_rpn_224': f'ResPostBlock with Attention: {STANDARD_BLOCK}',
    'vit_base_patch16_xp_224': f'ParallelScalingBlock: {STANDARD_BLOCK}',
    'vit_small_patch16_18x2_224': f'ParallelThingsBlock: {STANDARD_BLOCK}',
    'vit_dwee_patch16_reg1_gap_256': f'Block with DiffAttention: {STANDARD_BLOCK}',
    'vit_dpwee_patch16_reg1_gap_256': f'DiffParallelScalingBlock: {STANDARD_BLOCK}',
}


def materialise(net: nn.Module) -> nn.Module:
    """A net of the meta device, cut to its first blocks, without values."""
    net.blocks = net.blocks[:KEPT_BLOCKS]
    return net.to_empty(device='cpu').eval()


def randomise(net: nn.Module) -> nn.Module:
    """Draw all parameters: matrices small, vectors around a half."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            matrix = parameter.dim() > 1
            parameter.normal_(0 if matrix else 0.5, 0.05 if matrix else 0.2, generator=generator)
    return net


def build_pair(name: str, patch: int) -> tuple[MSViT, VisionTransformer]:
    """An all-fine MSViT and timm's own model as it is by default, with the same weights, for 4x4 patches."""
    side = 4 * patch
    with torch.device('meta'):
        theirs = timm.create_model(name, img_size=side, num_classes=0, dynamic_img_size=True, dynamic_img_pad=True)
        ours = MSViT(name, img_size=side, coarse_patch_size=2 * patch, pos_embed_mode='bicubic', out_type='tokens')
    ours.out_indices = (KEPT_BLOCKS - 1,)
    theirs, ours = randomise(materialise(theirs)), materialise(ours)
    report = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not report.missing_keys
    assert {key.split('.')[0] for key in report.unexpected_keys} <= {'attn_pool', 'fc_norm'}  # of the classifier
    return ours, theirs


def as_timm(tokens) -> Tensor:
    return torch.cat((tokens.prefix(), tokens.to_map().flatten(2).transpose(1, 2)), dim=1)


@pytest.mark.parametrize(('name', 'patch'), NAMES.items(), ids=NAMES)
@torch.no_grad()
def test_is_timms_model_where_all_is_fine_and_runs_in_all_layouts(name, patch, assert_relative):
    ours, theirs = build_pair(name, patch)
    assert all(type(block) is MixedScaleBlock for block in ours.blocks)
    for height, width in ((4 * patch, 4 * patch), (3 * patch, 5 * patch), (2 * patch + 3, 3 * patch - 1)):
        images = torch.randn(1, 3, height, width)
        assert_relative(as_timm(ours(images)[0]), theirs.forward_features(images))

    ours.out_type = 'featmap'
    images = torch.randn(2, 3, 3 * patch, 5 * patch)
    fine_mask = torch.tensor([[[0, 1, 0], [1, 0, 0]], [[1, 1, 0], [0, 1, 1]]]).bool()
    maps = {}
    for ours.layout in LAYOUTS:
        (maps[ours.layout],) = ours(images, fine_mask=fine_mask)
    assert maps['packed'].shape == (2, ours.embed_dim, 3, 5)
    assert_relative(maps['packed'], maps['masked'])
    assert_relative(maps['trimmed'], maps['masked'])
    (dense,) = ours(images)
    assert not torch.allclose(maps['packed'], dense, rtol=0.01)


@pytest.mark.parametrize(('name', 'message'), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_driven_says_why(name, message):
    with torch.device('meta'), pytest.raises(ValueError, match=f'^{name} .*{message}'):
        MSViT(name)


@torch.no_grad()
def test_weights_that_are_normalised_after_pooling(tmp_path, perturb, assert_relative):
    """That norm goes with the classifier, so the checkpoint is complete without it."""
    name = 'vit_wee_patch16_reg1_gap_256'
    theirs = perturb(timm.create_model(name, img_size=64, num_classes=5)).eval()
    torch.save(theirs.state_dict(), tmp_path / 'weights.pth')
    ours = MSViT(name, img_size=64, pretrained=tmp_path / 'weights.pth').eval()
    images = torch.randn(2, 3, 64, 64)
    (features,) = ours(images)
    assert_relative(theirs.head(theirs.fc_norm(features.mean((2, 3)))), theirs(images))

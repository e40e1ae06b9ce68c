"""Weights of another library, renamed, give that library's outputs in timm's ViT."""

import pytest
import timm
import torch
import torch.nn.functional as F
from mmpretrain.models.backbones import DistilledVisionTransformer
from mmpretrain.models.backbones import VisionTransformer as MMPretrainViT
from mmseg.models.backbones.vit import VisionTransformer as MMSegViT
from mmseg.models.decode_heads import SegmenterMaskTransformerHead
from timm.layers import SwiGLUPacked
from timm.models.vision_transformer import Block
from torch import nn

from msvit.checkpoints import (
    CheckpointError,
    detect_origin,
    load_segmenter_head,
    load_vit,
    to_mmseg_segmenter_head,
    to_timm_vit,
)

ARCH = {'embed_dims': 48, 'num_layers': 2, 'num_heads': 3, 'feedforward_channels': 192}
EXACT = {'rtol': 1e-5, 'atol': 1e-5}


def to_map(tokens: torch.Tensor, num_prefix: int = 1) -> torch.Tensor:
    """(B, P + 16, C) tokens as a (B, C, 4, 4) map."""
    return tokens[:, num_prefix:].transpose(1, 2).unflatten(2, (4, 4))


def same_state(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ('mm_options', 'timm_options'),
    [
        pytest.param({}, {}, id='plain'),
        pytest.param({'layer_scale_init_value': 1.0}, {'init_values': 1.0}, id='layer scale'),
        pytest.param({'pre_norm': True}, {'pre_norm': True}, id='pre-norm'),
        pytest.param(
            {'with_cls_token': False}, {'class_token': False, 'global_pool': 'avg', 'fc_norm': False}, id='no class token'
        ),
        pytest.param(
            {'layer_scale_init_value': 1.0, 'layer_cfgs': {'ffn_type': 'swiglu_fused'}},
            {'init_values': 1.0, 'mlp_layer': SwiGLUPacked, 'act_layer': nn.SiLU, 'mlp_ratio': 256 / 48},
            id='SwiGLU',
        ),
    ],
)
@pytest.mark.parametrize('whole_model', [False, True])
def test_mmpretrain_vit_gives_the_same_features(mm_options, timm_options, whole_model, images, randomise, tiny_timm):
    source = randomise(MMPretrainViT(arch=ARCH, img_size=64, patch_size=16, out_type='featmap', **mm_options))
    state = source.state_dict()
    if whole_model:
        state = {f'backbone.{name}': value for name, value in state.items()} | {'head.layers.head.weight': torch.ones(5, 48)}
    model = tiny_timm(**timm_options)

    report = load_vit(model, state)

    assert report.origin == 'mmpretrain'
    assert report.complete
    with torch.no_grad():
        expected, got = source(images)[0], model.forward_features(images)
    torch.testing.assert_close(to_map(got, model.num_prefix_tokens), expected, **EXACT)


def test_mmpretrain_class_token_too(images, randomise, tiny_timm):
    source = randomise(MMPretrainViT(arch=ARCH, img_size=64, patch_size=16, out_type='cls_token'))
    model = tiny_timm()
    load_vit(model, source.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(model.forward_features(images)[:, 0], source(images)[0], **EXACT)


def test_mmpretrain_distilled_deit(images, randomise, tiny_timm):
    source = randomise(DistilledVisionTransformer(arch=ARCH, img_size=64, patch_size=16, out_type='raw'))
    model = tiny_timm(arch='deit_tiny_distilled_patch16_224')
    load_vit(model, source.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(model.forward_features(images), source(images)[0], **EXACT)


@pytest.mark.parametrize('pre_norm', [False, True])
def test_mmseg_vit_gives_the_same_features(pre_norm, images, randomise, tiny_timm):
    options = {'embed_dims': 48, 'num_layers': 2, 'num_heads': 3, 'norm_cfg': {'type': 'LN', 'eps': 1e-6}}
    source = randomise(
        MMSegViT(img_size=64, patch_size=16, final_norm=True, pre_norm=pre_norm, patch_bias=not pre_norm, **options)
    )
    model = tiny_timm(pre_norm=pre_norm)

    report = load_vit(model, source.state_dict())

    assert report.origin == 'mmseg'
    with torch.no_grad():
        torch.testing.assert_close(to_map(model.forward_features(images)), source(images)[0], **EXACT)


def test_mmseg_whole_segmenter_leaves_the_head_aside(randomise, tiny_timm):
    backbone = randomise(MMSegViT(img_size=64, patch_size=16, embed_dims=48, num_layers=2, num_heads=3, final_norm=True))
    state = {f'backbone.{name}': value for name, value in backbone.state_dict().items()}
    state['decode_head.cls_emb'] = torch.ones(1, 5, 48)
    model = tiny_timm()
    report = load_vit(model, state)
    assert report.notes == [
        'left aside, not of the backbone: decode_head.*',
        'patch embedding has no bias in the checkpoint: zeros taken',
    ]
    assert not model.patch_embed.proj.bias.any()


def test_official_segmenter_encoder(images, tiny_timm):
    source = tiny_timm(seed=3)
    state = {f'encoder.{name}': value for name, value in source.state_dict().items()}
    state |= {'encoder.head.weight': torch.ones(10, 48), 'decoder.cls_emb': torch.ones(1, 5, 48)}
    model = tiny_timm()

    report = load_vit(model, state)

    assert report.origin == 'segmenter'
    assert same_state(model.state_dict(), source.state_dict())
    assert any('decoder.*' in note for note in report.notes)
    assert any('head.*' in note for note in report.notes)


def test_official_dinov2_with_registers(images, tiny_timm):
    """timm's own conversion of DINOv2, done by timm's loader, is the measure."""
    model = tiny_timm(arch='vit_small_patch14_reg4_dinov2', img_size=56, init_values=1.0)
    official = dict(tiny_timm(seed=5, arch='vit_small_patch14_reg4_dinov2', img_size=56, init_values=1.0).state_dict())
    official['register_tokens'] = official.pop('reg_token')
    official['mask_token'] = torch.ones(1, 48)
    official['pos_embed'] = torch.randn(1, 1 + 16, 48)
    expected = timm.models.vision_transformer.checkpoint_filter_fn(dict(official), model)

    report = load_vit(model, official)

    assert report.origin == 'dinov2'
    assert report.complete
    assert same_state(dict(model.state_dict()), expected)


def test_deit3_layer_scale_names(tiny_timm):
    source = tiny_timm(seed=3, init_values=1.0).state_dict()
    official = {name.replace('ls1.gamma', 'gamma_1').replace('ls2.gamma', 'gamma_2'): v for name, v in source.items()}
    assert official.keys() != source.keys()
    assert same_state(to_timm_vit(official), dict(source))


def test_official_dinov2_giant_names(tiny_timm):
    swiglu = {'mlp_layer': SwiGLUPacked, 'act_layer': nn.SiLU, 'init_values': 1.0}
    source = tiny_timm(seed=3, **swiglu).state_dict()
    official = {name.replace('mlp.fc1', 'mlp.w12').replace('mlp.fc2', 'mlp.w3'): v for name, v in source.items()}
    official['mask_token'] = torch.ones(1, 48)
    assert same_state(to_timm_vit(official), dict(source))
    assert same_state(timm.models.vision_transformer.checkpoint_filter_fn(official, tiny_timm(**swiglu)), dict(source))


def test_mmpretrain_norm_of_averaged_features_belongs_to_the_classifier(randomise, tiny_timm):
    source = randomise(MMPretrainViT(arch=ARCH, img_size=64, patch_size=16, out_type='avg_featmap'))
    report = load_vit(tiny_timm(), source.state_dict())
    assert report.notes == ['fc_norm.* not used: the model has no such part']


STATES = {
    'timm': lambda: timm.create_model('vit_tiny_patch16_224', depth=1, embed_dim=48, num_heads=3).state_dict(),
    'msvit': lambda: {**STATES['timm'](), 'gate.fc.weight': torch.ones(1, 4)},
    'dinov2': lambda: {**STATES['timm'](), 'mask_token': torch.ones(1, 48)},
    'mmpretrain': lambda: MMPretrainViT(arch=ARCH, pre_norm=True, layer_scale_init_value=1.0).state_dict(),
    'mmseg': lambda: MMSegViT(embed_dims=48, num_layers=2, num_heads=3, final_norm=True).state_dict(),
    'segmenter': lambda: {f'encoder.{name}': value for name, value in STATES['timm']().items()},
}


@pytest.mark.parametrize(
    ('origin', 'prefix'),
    [(origin, prefix) for origin in STATES for prefix in ('', 'backbone.') if origin != 'segmenter' or not prefix],
)
def test_origin_is_told_from_names_and_mapping_is_idempotent(origin, prefix):
    state = {f'{prefix}{name}': value for name, value in STATES[origin]().items()}

    once = to_timm_vit(state)

    assert detect_origin(state) == origin
    assert detect_origin(once) == ('msvit' if origin == 'msvit' else 'timm')
    assert {'patch_embed.proj.weight', 'blocks.0.attn.qkv.weight', 'blocks.0.mlp.fc1.weight', 'norm.weight'} <= once.keys()
    assert same_state(to_timm_vit(once), once)
    assert ('gate.fc.weight' in once) == (origin == 'msvit')
    assert list(state) == [f'{prefix}{name}' for name in STATES[origin]()], 'the given dict was changed'


def test_names_that_no_rule_knows_survive():
    state = {**STATES['mmpretrain'](), 'layers.0.adapter.weight': torch.ones(1)}
    assert 'blocks.0.adapter.weight' in to_timm_vit(state)


@pytest.mark.parametrize(
    'state',
    [{'conv1.weight': torch.ones(1)}, {}, {'patch_embed.proj.weight': torch.ones(1)}],
    ids=['resnet', 'empty', 'swin-like'],
)
def test_foreign_layout_is_refused_by_name(state):
    with pytest.raises(CheckpointError, match=f'no ViT of a known layout.*{len(state)} tensors.*{next(iter(state), "")}'):
        to_timm_vit(state)


def test_two_tensors_of_one_name_are_refused():
    state = {**STATES['mmpretrain'](), 'norm.weight': torch.ones(48)}
    with pytest.raises(CheckpointError, match='two tensors of the checkpoint would both be norm.weight'):
        to_timm_vit(state)


class MaskTransformer(nn.Module):
    """The decoder of the Segmenter paper, section 3.2, under the official names; its blocks are timm's."""

    def __init__(self, num_classes: int, dim: int):
        super().__init__()
        self.num_classes = num_classes
        self.blocks = nn.ModuleList([Block(dim, 3, qkv_bias=True, norm_layer=nn.LayerNorm) for _ in range(2)])
        self.cls_emb = nn.Parameter(torch.empty(1, num_classes, dim))
        self.proj_dec = nn.Linear(dim, dim)
        self.proj_patch = nn.Parameter(torch.empty(dim, dim))
        self.proj_classes = nn.Parameter(torch.empty(dim, dim))
        self.decoder_norm = nn.LayerNorm(dim)
        self.mask_norm = nn.LayerNorm(num_classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.proj_dec(tokens), self.cls_emb.expand(len(tokens), -1, -1)], dim=1)
        x = self.decoder_norm(nn.Sequential(*self.blocks)(x))
        patches, classes = x[:, : -self.num_classes] @ self.proj_patch, x[:, -self.num_classes :] @ self.proj_classes
        return self.mask_norm(F.normalize(patches, dim=2) @ F.normalize(classes, dim=2).mT)


@pytest.fixture
def mmseg_head():
    return SegmenterMaskTransformerHead(
        in_channels=48, channels=48, num_classes=5, num_layers=2, num_heads=3, embed_dims=48, dropout_ratio=0.0
    ).eval()


def test_official_segmenter_decoder_gives_mmsegs_logits(mmseg_head, randomise):
    decoder = randomise(MaskTransformer(num_classes=5, dim=48))
    state = {f'decoder.{name}': value for name, value in decoder.state_dict().items()}
    features = torch.randn(2, 48, 4, 3)

    report = load_segmenter_head(mmseg_head, state)

    assert report.complete
    assert set(report.loaded) == set(mmseg_head.state_dict())
    with torch.no_grad():
        expected = decoder(features.flatten(2).mT).mT.unflatten(2, (4, 3))
        torch.testing.assert_close(mmseg_head([features]), expected, **EXACT)


def test_mmseg_head_goes_through_unchanged(mmseg_head, randomise):
    state = {f'decode_head.{name}': value.clone() for name, value in randomise(mmseg_head).state_dict().items()}
    report = load_segmenter_head(randomise(mmseg_head, seed=9), state)
    assert report.origin == 'mmseg'
    assert same_state({f'decode_head.{name}': v for name, v in mmseg_head.state_dict().items()}, state)


def test_linear_decoder_and_wrong_number_of_classes_are_refused(mmseg_head, randomise):
    with pytest.raises(CheckpointError, match=r"no Segmenter mask transformer.*decoder's are: head.weight"):
        to_mmseg_segmenter_head({'decoder.head.weight': torch.ones(5, 48)})
    state = {f'decoder.{name}': value for name, value in MaskTransformer(150, 48).state_dict().items()}
    with pytest.raises(CheckpointError, match=r'cls_emb: \(1, 150, 48\) in the checkpoint, \(1, 5, 48\) in the model'):
        load_segmenter_head(mmseg_head, state)

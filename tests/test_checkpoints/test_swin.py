"""Swin weights of any origin give that origin's outputs in timm's Swin; what does not fit is refused by name."""

import re
from collections.abc import Callable

import pytest
import timm
import torch
from mmpretrain.models.backbones import SwinTransformer as MMPretrainSwin
from mmseg.models.backbones.swin import SwinTransformer as MMSegSwin
from timm.layers import resize_rel_pos_bias_table
from timm.models.swin_transformer import SwinTransformer, checkpoint_filter_fn
from torch import Tensor, nn

from msvit.checkpoints import CheckpointError, detect_swin_origin, load_swin, load_vit, save_weights, to_timm_swin

SIZE = 192  # patches of 4, windows of 3: grids of 48, 24, 12, 6, all larger than the window and multiples of it
DEPTHS, HEADS = (2, 2, 2, 2), (1, 2, 4, 8)
MM = {'window_size': 3, 'drop_path_rate': 0.0}
EXACT = {'rtol': 1e-5, 'atol': 1e-5}


@pytest.fixture
def tiny_swin(randomise) -> Callable[..., SwinTransformer]:
    """Makes a timm Swin of width 16 with 4 stages of 2 blocks, without a classifier."""

    def build(seed: int = 1, **kwargs) -> SwinTransformer:
        config = {'img_size': SIZE, 'embed_dim': 16, 'depths': DEPTHS, 'num_heads': HEADS, 'window_size': 3, 'num_classes': 0}
        return randomise(SwinTransformer(**{**config, **kwargs}), seed)

    return build


@pytest.fixture
def mmpretrain_swin(randomise) -> Callable[..., nn.Module]:
    def build(**kwargs) -> nn.Module:
        arch = {'embed_dims': 16, 'depths': DEPTHS, 'num_heads': HEADS}
        return randomise(MMPretrainSwin(arch=arch, img_size=SIZE, **{**MM, **kwargs}), 2)

    return build


@pytest.fixture
def mmseg_swin(randomise) -> Callable[..., nn.Module]:
    def build(**kwargs) -> nn.Module:
        return randomise(MMSegSwin(embed_dims=16, depths=DEPTHS, num_heads=HEADS, **{**MM, **kwargs}), 2)

    return build


@pytest.fixture
def images() -> Tensor:
    return torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(7))


def features(model: SwinTransformer, images: Tensor) -> Tensor:
    """The normalised map of the last stage, (B, C, h, w)."""
    with torch.no_grad():
        return model.forward_features(images).permute(0, 3, 1, 2)


def snapshot(model: nn.Module) -> dict:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same_state(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def microsoft(model: SwinTransformer) -> dict:
    """The official names: patches are merged at the end of a stage, and the buffers are saved."""
    state = {}
    for name, value in model.state_dict().items():
        layer = re.match(r'layers\.(\d)\.downsample\.', name)
        state[f'layers.{int(layer[1]) - 1}.downsample.{name[layer.end() :]}' if layer else name] = value
    for name, module in model.named_modules():
        if name.endswith('.attn'):
            state[f'{name}.relative_position_index'] = module.relative_position_index
            state[f'{name.removesuffix("attn")}attn_mask'] = torch.zeros(4, 9, 9)
    return state


@pytest.mark.parametrize('whole_model', [False, True])
def test_mmpretrain_gives_the_same_features(whole_model, tiny_swin, mmpretrain_swin, images):
    source, model = mmpretrain_swin(), tiny_swin()
    state = source.state_dict()
    if whole_model:
        state = {f'backbone.{name}': value for name, value in state.items()} | {'head.fc.weight': torch.ones(5, 128)}

    report = load_swin(model, state)

    assert report.origin == 'openmmlab'
    assert report.complete
    assert report.notes == (['left aside, not of the backbone: head.*'] if whole_model else [])
    with torch.no_grad():
        expected = source(images)[0]
    torch.testing.assert_close(features(model, images), expected, **EXACT)
    pooled = model.forward_head(model.forward_features(images), pre_logits=True)
    torch.testing.assert_close(pooled, expected.mean((2, 3)), **EXACT)


def test_mmseg_gives_the_same_features_at_every_stage(tiny_swin, mmseg_swin, images, randomise):
    source, model = mmseg_swin(), tiny_swin()
    model.out_norms = randomise(nn.ModuleList([nn.LayerNorm(16 * 2**i) for i in range(3)]), 5)

    report = load_swin(model, {f'backbone.{name}': value for name, value in source.state_dict().items()})

    assert report.complete
    assert report.notes == []
    with torch.no_grad():
        expected = source(images)
        x = model.patch_embed(images)
        for stage, norm, wanted in zip(model.layers, [*model.out_norms, model.norm], expected, strict=True):
            x = stage(x)
            torch.testing.assert_close(norm(x).permute(0, 3, 1, 2), wanted, **EXACT)


def test_norms_of_stages_that_the_model_does_not_read_out(tiny_swin, mmseg_swin, images):
    source, model = mmseg_swin(), tiny_swin()
    report = load_swin(model, source.state_dict())
    assert report.notes == ['out_norms.* not used: the model has no such part']
    torch.testing.assert_close(features(model, images), source(images)[3].detach(), **EXACT)


def test_norms_of_other_stages(tiny_swin, mmseg_swin):
    """mmdet's RetinaNet reads out stages 1 to 3; the model here 0, 1 and 3."""
    source, model = mmseg_swin(out_indices=(1, 2, 3)), tiny_swin()
    model.out_norms = nn.ModuleDict({'0': nn.LayerNorm(16), '1': nn.LayerNorm(32)})
    report = load_swin(model, source.state_dict())
    assert report.notes == [
        'out_norms.2.* not used: the model has no such part',
        'out_norms.0.* starts fresh: the checkpoint has none',
    ]
    assert torch.equal(model.out_norms['1'].weight, source.norm1.weight)


def test_norm_of_converted_official_weights(tiny_swin, mmseg_swin):
    """mmseg's own converter leaves the official ``norm.`` without a number."""
    source, model = mmseg_swin(out_indices=(3,)), tiny_swin()
    state = {name.replace('norm3.', 'norm.'): value for name, value in source.state_dict().items()}
    load_swin(model, state)
    assert torch.equal(model.norm.weight, source.norm3.weight)


@pytest.mark.parametrize('segmentation', [False, True])
def test_microsofts_names_and_buffers(segmentation, tiny_swin, images):
    source, model = tiny_swin(seed=2), tiny_swin()
    state = microsoft(source)
    if segmentation:  # of their downstream repositories
        state = {name.replace('norm.', 'norm3.') if name.startswith('norm.') else name: v for name, v in state.items()}
        state = {f'backbone.{name}': value for name, value in state.items()} | {'decode_head.conv_seg.weight': torch.ones(1)}
        state['backbone.norm0.weight'] = torch.ones(16)
    else:
        state |= {'head.weight': torch.ones(5, 128), 'head.bias': torch.ones(5)}

    report = load_swin(model, state)

    assert report.origin == 'microsoft'
    assert same_state(model.state_dict(), source.state_dict())
    assert torch.equal(features(model, images), features(source, images))
    if not segmentation:  # timm's own conversion agrees
        expected = checkpoint_filter_fn(dict(state), model)
        assert all(torch.equal(expected[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize('suffix', ['safetensors', 'pth'])
def test_timm_through_a_file(suffix, tiny_swin, tmp_path):
    source, model = tiny_swin(seed=2, num_classes=5), tiny_swin()
    path = tmp_path / f'w.{suffix}'
    if suffix == 'pth':
        torch.save({'model': source.state_dict()}, path)
    else:
        save_weights(source, path)
    report = load_swin(model, path)
    assert (report.origin, report.notes) == ('timm', ['head.* not used: the model has no such part'])
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in model.state_dict().items())


def test_timms_own_weights(tiny_swin, monkeypatch):
    source, model = tiny_swin(seed=2, num_classes=5), tiny_swin()
    asked = []
    monkeypatch.setattr(timm, 'create_model', lambda arch, pretrained: asked.append((arch, pretrained)) or source)
    load_swin(model, True, arch='swin_tiny_patch4_window7_224')
    assert asked == [('swin_tiny_patch4_window7_224', True)]
    assert torch.equal(model.layers[1].downsample.reduction.weight, source.layers[1].downsample.reduction.weight)


def mixed(model: SwinTransformer, grid: int = 6) -> SwinTransformer:
    """With the parts that a mixed-scale Swin adds."""
    model.gate, model.coarse_embed, model.gate_loss = nn.Linear(4, 1), nn.Linear(2, 2), nn.Module()
    model.gate_loss.prior_logit = nn.Parameter(torch.linspace(-1, 1, grid * grid).view(grid, grid))
    return model


def test_a_mixed_checkpoint_reloads_and_a_plain_one_begins_afresh(tiny_swin):
    source, model = mixed(tiny_swin(seed=2)), mixed(tiny_swin())
    state = {f'backbone.{name}': value for name, value in source.state_dict().items()} | {'head.layers.w': torch.ones(1)}
    report = load_swin(model, state)
    assert report.origin == 'msvit'
    assert report.notes == ['left aside, not of the backbone: head.*']
    assert same_state(model.state_dict(), source.state_dict())

    report = load_swin(tiny_swin(), state)
    assert [note.split('.*')[0] for note in report.notes[1:]] == ['gate', 'gate_loss', 'coarse_embed']
    report = load_swin(mixed(tiny_swin()), tiny_swin(seed=2).state_dict())
    assert [note for note in report.notes if 'starts fresh' in note] == [
        f'{part}.* starts fresh: the checkpoint has none' for part in ('gate', 'gate_loss', 'coarse_embed')
    ]


def test_learned_priors_of_another_grid_are_resized(tiny_swin):
    source, model = mixed(tiny_swin(seed=2)), mixed(tiny_swin(), grid=3)
    report = load_swin(model, source.state_dict())
    assert report.notes == ['learned priors resized from 6x6 to 3x3 regions (bilinear)']
    assert model.gate_loss.prior_logit[1, 1].abs() < 1e-6
    assert model.gate_loss.prior_logit[0, 0] < -0.5 < 0.5 < model.gate_loss.prior_logit[2, 2]


@pytest.mark.parametrize('img_size', [32, (32, 64), 8])
def test_windows_that_the_image_clips_are_resized_as_timm_does(img_size, tiny_swin):
    """Windows of 3 on grids of 8, 4, 2 and 1 tokens; at 8 pixels no stage has a window of 3."""
    source, model = tiny_swin(seed=2), tiny_swin(img_size=img_size)
    expected = checkpoint_filter_fn(snapshot(source), model)
    report = load_swin(model, source.state_dict())
    assert same_state(model.state_dict(), expected)
    sizes = {32: ['2x2', '1x1'], (32, 64): ['2x3', '1x2'], 8: ['2x2', '1x1', '1x1', '1x1']}[img_size]
    assert report.notes == [
        f'relative position biases of layers.{i} resized from window 3x3 to {size}: no more tokens in img_size'
        for i, size in enumerate(sizes, 4 - len(sizes))
    ]


def test_clipped_windows_reload_exactly(tiny_swin):
    source, model = tiny_swin(seed=2, img_size=(32, 64)), tiny_swin(img_size=(32, 64))
    assert load_swin(model, source.state_dict()).notes == []
    assert same_state(model.state_dict(), source.state_dict())


def test_grids_follow_from_the_patches_where_blocks_do_not_say(tiny_swin):
    source, model, dumb = tiny_swin(seed=2), tiny_swin(img_size=32), tiny_swin(img_size=32)
    for stage in dumb.layers:
        for block in stage.blocks:
            del block.input_resolution
    load_swin(model, source.state_dict())
    load_swin(dumb, source.state_dict())
    assert same_state(model.state_dict(), dumb.state_dict())

    dumb.patch_embed.grid_size = None
    with pytest.raises(CheckpointError, match='layers.2.blocks.0: window 3x3 in the given tensors, 2x2 in the model'):
        load_swin(dumb, source.state_dict())


@pytest.mark.parametrize('strict', [True, False])
@pytest.mark.parametrize(
    ('given', 'img_size', 'message'),
    [
        (6, SIZE, 'layers.0.blocks.0: window 6x6 in .*, 3x3 in the model: state window_size=6 in its arch.* of window 3x3'),
        (6, 32, 'layers.0.blocks.0: window 6x6 in .*, 3x3 in the model: state window_size=6 in its arch'),
        (2, SIZE, 'layers.0.blocks.0: window 2x2 in .*, 3x3 in the model: state window_size=2 in its arch'),
    ],
)
def test_another_window_size_is_refused(given, img_size, message, strict, tiny_swin):
    model = tiny_swin(img_size=img_size)
    before = snapshot(model)
    with pytest.raises(CheckpointError, match=message):
        load_swin(model, tiny_swin(seed=2, window_size=given).state_dict(), strict=strict)
    assert same_state(model.state_dict(), before)


@pytest.mark.parametrize(('img_size', 'size'), [(32, '2x2'), ((32, 64), 'that is not square')])
def test_windows_clipped_in_the_checkpoint_are_refused(img_size, size, tiny_swin):
    message = f'layers.2.blocks.0: window {size} in .*, 3x3 in the model: state the img_size of the weights'
    with pytest.raises(CheckpointError, match=message):
        load_swin(tiny_swin(), tiny_swin(seed=2, img_size=img_size).state_dict())


def test_half_precision_tables_are_resized(tiny_swin):
    source, model = tiny_swin(seed=2), tiny_swin(img_size=32)
    load_swin(model, {name: value.bfloat16() for name, value in source.state_dict().items()})
    table = source.layers[2].blocks[0].attn.relative_position_bias_table.detach().bfloat16().float()
    expected = resize_rel_pos_bias_table(table, (2, 2), (9, 4))
    assert torch.equal(model.layers[2].blocks[0].attn.relative_position_bias_table.data, expected)


def test_another_patch_size_is_refused(tiny_swin):
    with pytest.raises(
        CheckpointError, match='patch size 2x2 in the given tensors, 4x4 in the model: choose the same .*size$'
    ):
        load_swin(tiny_swin(), tiny_swin(seed=2, patch_size=2).state_dict())


def test_another_width_lists_every_tensor_and_the_model_stays(tiny_swin):
    model = tiny_swin()
    before = snapshot(model)
    with pytest.raises(CheckpointError, match=r'(?s)does not fit SwinTransformer:.*bias_table: \(25, 3\) in the checkpoint'):
        load_swin(model, tiny_swin(seed=2, embed_dim=24, num_heads=(3, 6, 12, 24)).state_dict())
    assert same_state(model.state_dict(), before)


def test_misfits_are_named_and_left_out_if_not_strict(tiny_swin):
    model, state = tiny_swin(), snapshot(tiny_swin(seed=2))
    state['absolute_pos_embed'] = torch.ones(1, 4, 16)
    del state['norm.bias']
    with pytest.raises(CheckpointError, match=r'(?s)missing \(1\):\s+norm.bias\s+unexpected \(1\):\s+absolute_pos_embed'):
        load_swin(model, state)
    report = load_swin(model, state, strict=False)
    assert (report.missing, report.unexpected) == (['norm.bias'], ['absolute_pos_embed'])
    assert torch.equal(model.norm.weight, state['norm.weight'])


def test_prefix_picks_a_part(tiny_swin):
    source, model = tiny_swin(seed=2), tiny_swin()
    state = {f'visual.{name}': value for name, value in source.state_dict().items()} | {'text.w': torch.ones(1)}
    load_swin(model, state, prefix='visual.')
    assert same_state(model.state_dict(), source.state_dict())
    with pytest.raises(CheckpointError, match="no tensor whose name begins with 'vision.'"):
        load_swin(model, state, prefix='vision.')


@pytest.mark.parametrize('prefix', ['', 'backbone.'])
def test_wrong_kinds_say_so(prefix, tiny_swin, tiny_timm, mmseg_swin):
    vit = {f'{prefix}{name}': value for name, value in tiny_timm().state_dict().items()}
    with pytest.raises(CheckpointError, match=r'holds a ViT \(timm layout\), the model is a Swin'):
        load_swin(tiny_swin(), vit)
    for swin in (tiny_swin(), mmseg_swin()):
        with pytest.raises(CheckpointError, match='holds a Swin, the model is a ViT'):
            load_vit(tiny_timm(), {f'{prefix}{name}': value for name, value in swin.state_dict().items()})
    v2 = timm.create_model('swinv2_tiny_window8_256', embed_dim=12, depths=(1, 1), num_heads=(1, 2), num_classes=0)
    with pytest.raises(CheckpointError, match='holds a Swin V2'):
        load_swin(tiny_swin(), {f'{prefix}{name}': value for name, value in v2.state_dict().items()})
    with pytest.raises(CheckpointError, match=r'no Swin of a known layout.*1 tensors: conv1.weight'):
        load_swin(tiny_swin(), {'conv1.weight': torch.ones(1)})


@pytest.mark.parametrize('origin', ['timm', 'microsoft', 'openmmlab', 'msvit'])
def test_mapping_is_idempotent_and_leaves_the_given_dict(origin, tiny_swin, mmpretrain_swin):
    state = {
        'timm': lambda: tiny_swin().state_dict(),
        'microsoft': lambda: microsoft(tiny_swin()),
        'openmmlab': lambda: mmpretrain_swin().state_dict(),
        'msvit': lambda: mixed(tiny_swin()).state_dict(),
    }[origin]()
    before = dict(state)
    once = to_timm_swin(state)
    assert detect_swin_origin(state) == origin
    assert detect_swin_origin(once) == ('msvit' if origin == 'msvit' else 'timm')
    assert same_state(to_timm_swin(once), once)
    assert same_state(before, state), 'the given dict was changed'
    assert once.keys() == (mixed(tiny_swin()) if origin == 'msvit' else tiny_swin()).state_dict().keys()

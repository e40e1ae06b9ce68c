"""Names, shapes, options and messages of MSSwin, and its MACs."""

import copy
import io
import pickle

import pytest
import timm
import torch
from mmseg.registry import MODELS as MMSEG_MODELS
from torch import nn

from msvit.analysis.macs import count_macs
from msvit.backbones import MSSwin, TokenTrace
from msvit.registry import MODELS

TINY = dict(embed_dim=16, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8), window_size=4)
GATE = dict(type='msvit.MLPGate', hidden_dims=(8,), init_p_fine=0.5)


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 80, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def mask():
    return torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(1)) > 0.5


@pytest.mark.parametrize('registry', [MODELS, MMSEG_MODELS])
def test_found_in_the_registries(registry):
    net = registry.build(dict(type='msvit.MSSwin', arch=TINY, img_size=64, gate=GATE))
    assert isinstance(net, MSSwin)
    assert net.gate.coarse_patch_size == 16
    assert net.num_features == [16, 32, 64, 128]


def test_parameters_carry_timms_names():
    net = MSSwin(img_size=64, coarse_patch_size=32, gate=GATE, gate_loss=dict(type='msvit.GBaSLoss'))
    theirs = timm.create_model('swin_tiny_patch4_window7_224', img_size=64, num_classes=0)
    names, new = set(dict(net.named_parameters())), ('gate.', 'gate_loss.', 'coarse_embed.', 'fills.')
    assert names - {name for name in names if name.startswith(new)} == set(dict(theirs.named_parameters()))
    assert net.coarse_embed.weight.shape == (768, 3 * 32 * 32)
    assert set(net.state_dict()) <= names


@pytest.mark.parametrize(('scale', 'entry'), [(8, 2), (16, 3), (32, 4)])
def test_the_entry_stage_is_that_of_the_scale(tiny_msswin, scale, entry):
    for given in (None, entry):
        net = tiny_msswin(coarse_patch_size=scale, entry_stage=given)
        assert net.entry_stage == entry
        assert set(net.fills) == {str(i) for i in range(entry - 1)}
        assert net.coarse_embed.out_features == 16 * 2 ** (entry - 1)


def test_other_patch_sizes(tiny_msswin):
    net = tiny_msswin(dict(patch_size=2, depths=(1, 1, 1), num_heads=(1, 2, 4)), coarse_patch_size=8, out_indices=(0, -1))
    assert net.entry_stage == 3
    shapes = [tuple(x.shape) for x in net(torch.randn(1, 3, 31, 40), fine_mask=torch.ones(1, 4, 5))]
    assert shapes == [(1, 16, 16, 20), (1, 64, 4, 5)]


@torch.no_grad()
def test_out_types(tiny_msswin, images, mask, assert_relative):
    net = tiny_msswin()
    outputs = net(images, fine_mask=mask)
    assert [tuple(x.shape) for x in outputs] == [(2, 16, 16, 20), (2, 32, 8, 10), (2, 64, 4, 5), (2, 128, 2, 3)]
    pooled = tiny_msswin(out_type='avg_featmap')
    assert not pooled.fills  # no early output needs one
    pooled.load_state_dict(net.state_dict(), strict=False)
    (feature,) = pooled(images, fine_mask=mask)
    assert_relative(feature, outputs[-1].mean(dim=(2, 3)))
    assert MSSwin(dict(TINY, depths=(1, 1, 1), num_heads=(1, 2, 4)), out_type='avg_featmap').out_indices == (2,)


@torch.no_grad()
@pytest.mark.parametrize('out_indices', [(0,), (2, 0), (-1, 1), (-2,)])
def test_out_indices(tiny_msswin, images, mask, out_indices, assert_relative):
    net, whole = tiny_msswin(out_indices=out_indices), tiny_msswin()
    net.load_state_dict(whole.state_dict(), strict=False)
    expected = whole(images, fine_mask=mask)
    outputs = net(images, fine_mask=mask)
    for stage, i in zip(outputs, sorted(i % 4 for i in out_indices), strict=True):
        assert_relative(stage, expected[i])


@torch.no_grad()
def test_norms_of_the_outputs(tiny_msswin, images, mask, assert_relative):
    net, plain = tiny_msswin(norm_outputs=True, coarse_patch_size=32), tiny_msswin(coarse_patch_size=32)
    assert sorted(net.out_norms) == ['0', '1', '2']
    assert not plain.out_norms
    plain.load_state_dict(net.state_dict(), strict=False)
    ones = torch.ones(2, 2, 3)
    for i, (stage, raw) in enumerate(zip(net(images, fine_mask=ones), plain(images, fine_mask=ones), strict=True)):
        norm = net.out_norms[str(i)] if i < 3 else nn.Identity()
        assert_relative(stage, norm(raw.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


@pytest.mark.parametrize('scale', [8, 16, 32])
@pytest.mark.parametrize('layout', ['packed', 'masked'])
@pytest.mark.parametrize('norm_outputs', [False, True])
@torch.no_grad()
def test_coarse_regions_are_filled_before_they_enter(tiny_msswin, scale, layout, norm_outputs, assert_relative):
    torch.manual_seed(0)
    fresh = MSSwin(TINY, img_size=64, coarse_patch_size=scale, layout=layout, norm_outputs=norm_outputs)
    assert not any(p.any() for p in fresh.fills.parameters())
    images = torch.randn(2, 3, 60, 75)
    mask = torch.rand(2, *fresh.grid(images).region_shape) < 0.5
    net = tiny_msswin(coarse_patch_size=scale, layout=layout, norm_outputs=norm_outputs)
    padded = nn.functional.pad(images, (0, -75 % scale, 0, -60 % scale))
    embedding = nn.functional.conv2d(
        padded, net.coarse_embed.weight.unflatten(1, (3, scale, scale)), net.coarse_embed.bias, stride=scale
    )
    outputs, empty = net(images, fine_mask=mask), fresh(images, fine_mask=mask)
    for i in range(net.entry_stage - 1):
        ratio = scale // 4 // 2**i
        height, width = outputs[i].shape[2:]
        coarse = ~mask.repeat_interleave(ratio, 1).repeat_interleave(ratio, 2)[:, :height, :width]
        fill = net.fills[str(i)](embedding.permute(0, 2, 3, 1))
        fill = fill.repeat_interleave(ratio, 1).repeat_interleave(ratio, 2)[:, :height, :width]
        assert_relative(outputs[i].permute(0, 2, 3, 1)[coarse], fill[coarse])
        assert not empty[i].permute(0, 2, 3, 1)[coarse].any()
        assert (empty[i].permute(0, 2, 3, 1)[~coarse] != 0).any(dim=-1).all()


@torch.no_grad()
@pytest.mark.parametrize('size', [(1, 1), (3, 70), (16, 16), (17, 33), (100, 64)])
@pytest.mark.parametrize('scale', [8, 32])
def test_any_input_size(tiny_msswin, size, scale):
    net = tiny_msswin(coarse_patch_size=scale, gate=GATE)
    images = torch.randn(2, 3, *size)
    shape = tuple(-(-side // 4) for side in size)
    for output in net(images):
        assert tuple(output.shape[2:]) == shape
        assert output.isfinite().all()
        shape = tuple(-(-side // 2) for side in shape)


@torch.no_grad()
def test_the_gate_decides_unless_a_mask_is_given(tiny_msswin, images, mask):
    net = tiny_msswin(gate=GATE)
    decided = net.decide(images).fine_mask
    assert 0 < decided.float().mean() < 1
    for ours, wanted in zip(net(images), net(images, fine_mask=decided), strict=True):
        assert torch.equal(ours, wanted)
    assert not torch.equal(net(images)[-1], net(images, fine_mask=mask)[-1])
    assert torch.equal(net(images, fine_mask=mask.int().tolist())[-1], net(images, fine_mask=mask)[-1])
    with pytest.raises(ValueError, match=r'fine_mask has shape \(2, 4, 4\).*need \(2, 4, 5\)'):
        net(images, fine_mask=mask[..., :4])


def test_traces_hear_of_tokens(tiny_msswin, images, mask):
    net, trace = tiny_msswin(), TokenTrace()
    with torch.no_grad():
        net(images, fine_mask=mask)
    (record,) = trace.drain()
    fine = mask.flatten(1).sum(1)
    assert torch.equal(record.counts, 16 * fine + 20 - fine)
    assert torch.equal(record.fine_mask, mask)
    assert (record.grid.patch_size, record.grid.coarse_patch_size) == (4, 16)
    assert record.macs().total.shape == (2,)


@torch.no_grad()
@pytest.mark.parametrize('copying', ['deepcopy', 'pickle', 'torch.save', 'state_dict'])
def test_copies(tiny_msswin, images, mask, copying):
    net = tiny_msswin(gate=GATE, gate_loss=dict(type='msvit.GBaSLoss'), norm_outputs=True)
    expected = net(images, fine_mask=mask)
    if copying == 'deepcopy':
        twin = copy.deepcopy(net)
    elif copying == 'pickle':
        twin = pickle.loads(pickle.dumps(net))
    elif copying == 'torch.save':
        file = io.BytesIO()
        torch.save(net, file)
        file.seek(0)
        twin = torch.load(file, weights_only=False)
    else:
        twin = MSSwin(TINY, img_size=64, gate=GATE, gate_loss=dict(type='msvit.GBaSLoss'), norm_outputs=True).eval()
        twin.load_state_dict(net.state_dict())
    for ours, wanted in zip(twin(images, fine_mask=mask), expected, strict=True):
        assert torch.equal(ours, wanted)


@torch.no_grad()
@pytest.mark.parametrize('named', [True, False])
def test_weights_of_timm(tmp_path, named, perturb, assert_relative):
    theirs = perturb(timm.create_model('swin_tiny_patch4_window7_224', num_classes=10)).eval()
    torch.save(theirs.state_dict(), tmp_path / 'swin.pth')
    arch = 'swin_tiny_patch4_window7_224' if named else dict(window_size=7)
    net = MSSwin(arch, coarse_patch_size=32, pretrained=tmp_path / 'swin.pth', out_type='avg_featmap').eval()
    images = torch.randn(1, 3, 224, 224)
    assert_relative(net(images)[0], theirs.forward_head(theirs.forward_features(images), pre_logits=True))
    assert net.coarse_embed.weight.std() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    ('arch', 'message'),
    [
        ('swin_tiny_patch4_window7_22', 'unknown timm model .*Did you mean one of swin_tiny_patch4_window7_224'),
        ('nothing_of_the_kind', "unknown timm model 'nothing_of_the_kind'"),
        ('resnet18', 'resnet18 is (not a Swin|a ResNet, not a timm SwinTransformer)'),
        ('vit_tiny_patch16_224', 'vit_tiny_patch16_224 is not a Swin'),
        ('swinv2_tiny_window8_256', r'swinv2_tiny_window8_256 is (not a Swin|a SwinTransformerV2, not .*\(version 1\))'),
        (dict(TINY, patch_size=(4, 2)), 'only square patches'),
        (dict(TINY, depths=(2,), num_heads=(1,)), 'has one stage'),
        (dict(TINY, drop_path_rate=0.1), 'arch may not hold drop_path_rate: the backbone sets'),
        (dict(TINY, attn_drop_rate=0.1, img_size=64), 'arch may not hold attn_drop_rate, img_size'),
        (dict(TINY, always_partition=True), 'arch may not hold always_partition'),
        (dict(TINY, window_size=0), 'window_size 0 must be at least one cell'),
        (dict(TINY, window_size=(4, 0)), r'window_size \(4, 0\) must be at least one cell'),
        (dict(TINY, window_size=(7, 7, 7, -1)), 'must be at least one cell'),
        (dict(TINY, window_size=(7, 7, 7, 7, 7)), r'has 5 entries for 4 stages'),
        (dict(TINY, window_size=((7, 7), (4, 4))), r'has 2 entries for 4 stages'),
        (dict(TINY, no_such_option=1), 'is refused by timm.*no_such_option'),
    ],
)
def test_what_cannot_be_driven_says_why(arch, message):
    with pytest.raises(ValueError, match=message):
        MSSwin(arch, img_size=64)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(coarse_patch_size=4), 'is the scale of no stage.*choose one of 8, 16, 32'),
        (dict(coarse_patch_size=24), 'coarse_patch_size 24 is the scale of no stage.*choose one of 8, 16, 32'),
        (dict(coarse_patch_size=64), 'choose one of 8, 16, 32'),
        (dict(entry_stage=1), r'entry_stage must lie in \[2, 4\], got 1: coarse regions are coarser'),
        (dict(entry_stage=5), r'entry_stage must lie in \[2, 4\]'),
        (dict(entry_stage=4), 'stage 4 works at a scale of 32 .*give entry_stage=3 .* or coarse_patch_size=32'),
        (dict(layout='trimmed'), "'trimmed' cuts to the longest .*choose 'packed' or 'masked'"),
        (dict(train_layout='trimmed'), "choose 'packed' or 'masked'"),
        (dict(layout='sparse'), "unknown layout 'sparse'"),
        (dict(out_type='cls_token'), "choose 'featmap' or 'avg_featmap'"),
        (dict(out_indices=()), 'must name some of the 4 stages'),
        (dict(out_indices=(0, 4)), r'out_indices \(0, 4\) must name some of the 4 stages'),
        (dict(frozen_stages=5), r'frozen_stages must lie in \[-1, 4\]'),
        (dict(drop_path_rate=1.0), r'drop_path_rate must lie in \[0, 1\)'),
        (dict(gate=dict(GATE, coarse_patch_size=32)), 'regions of 32 pixels'),
        (dict(gate_loss=dict(type='msvit.GBaSLoss')), 'nothing to train'),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        MSSwin(TINY, **{'img_size': 64, **options})


@pytest.mark.parametrize('arch', [None, 3, ['swin_tiny_patch4_window7_224']])
def test_arch_is_a_name_or_a_dict(arch):
    with pytest.raises(TypeError, match='arch must be a timm model name or a dict'):
        MSSwin(arch)


@pytest.mark.parametrize('shape', [(3, 64, 64), (1, 1, 64, 64), (1, 3, 0, 64)])
def test_what_is_no_batch_of_images(tiny_msswin, shape):
    with pytest.raises(ValueError, match=r'images must have shape \(batch, 3, height, width\)'):
        tiny_msswin()(torch.zeros(shape))


@pytest.mark.parametrize('scale', [8, 16, 32])
@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize('options', [{}, dict(gate=GATE, out_type='avg_featmap'), dict(out_indices=(0, 1))], ids=str)
def test_macs_agree_with_a_counted_forward_pass(scale, share, options):
    net = MSSwin(dict(TINY, embed_dim=32), img_size=128, coarse_patch_size=scale, **options).eval()
    images = torch.randn(1, 3, 120, 136)
    grid = net.grid(images)
    mask = torch.rand(1, *grid.region_shape, generator=torch.Generator().manual_seed(0)) < share
    counted = count_macs(lambda: net(images, fine_mask=mask))
    if net.gate is not None:
        counted += count_macs(lambda: net.gate(torch.zeros(1, 3, *(side * scale for side in grid.region_shape))))
    macs = net.macs(grid, grid.active(mask).sum(1), mask)
    assert macs.total.item() == pytest.approx(counted, rel=0.005)
    assert (macs.gate.item() > 0) == (net.gate is not None)


@pytest.mark.parametrize(('size', 'gmacs'), [('tiny', 4.5), ('small', 8.7), ('base', 15.4)])
def test_macs_of_the_plain_swin_are_the_papers(size, gmacs):
    net = MSSwin(f'swin_{size}_patch4_window7_224')
    grid = net.grid(torch.empty(1, 3, 224, 224))
    mask = torch.ones(1, 14, 14, dtype=torch.bool)
    macs = net.macs(grid, torch.tensor([3136]), mask).total
    assert macs.item() == pytest.approx(gmacs * 1e9, rel=0.02)
    with pytest.raises(ValueError, match='give fine_mask'):
        net.macs(grid, torch.tensor([3136]))


def test_macs_of_each_image(tiny_msswin):
    net = tiny_msswin(coarse_patch_size=32)
    grid = net.grid(torch.empty(3, 3, 64, 64))
    mask = torch.tensor([[[0, 0], [0, 0]], [[0, 1], [0, 0]], [[1, 1], [1, 1]]]).bool()
    macs = net.macs(grid, grid.active(mask).sum(1), mask).total
    assert (macs.diff() > 0).all()
    alone = net.macs(grid, grid.active(mask[1:2]).sum(1), mask[1:2]).total
    assert alone.item() == macs[1].item()

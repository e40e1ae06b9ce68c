"""``save_pretrained`` and ``from_pretrained``, with local folders."""

import json

import pytest
import torch

from msvit.backbones import MSDeiT, MSViT
from msvit.gates import MLPGate, UniformGate

ARCH = dict(embed_dim=32, depth=2, num_heads=2, patch_size=8)
SIZES = dict(arch=ARCH, img_size=32, coarse_patch_size=16)


@pytest.mark.parametrize(
    'gate',
    [
        dict(type='msvit.MLPGate', hidden_dims=(8,)),
        dict(type='msvit.ContextGate', width=8, depth=1),
        dict(type='msvit.SaliencyGate'),
        dict(type='msvit.UniformGate', fine_share=0.25),
        None,
    ],
)
def test_a_folder_gives_the_same_model(gate, perturb, tmp_path):
    loss = dict(type='msvit.GBaSLoss') if gate and gate['type'] in ('msvit.MLPGate', 'msvit.ContextGate') else None
    net = perturb(MSViT(**SIZES, gate=gate, gate_loss=loss, out_type='featmap')).eval()
    images = torch.randn(3, 3, 32, 48)
    if hasattr(net.gate, 'calibrate'):
        net.gate.calibrate(images, 0.4)  # what was set later is kept
    net.save_pretrained(tmp_path / 'model')
    assert {'config.json', 'model.safetensors'} <= {path.name for path in (tmp_path / 'model').iterdir()}
    assert net.gate_loss is None if loss is None else net.gate_loss is not None
    again = MSViT.from_pretrained(tmp_path / 'model')
    assert not again.training
    assert type(again.gate) is type(net.gate)
    with torch.no_grad():
        torch.testing.assert_close(again(images)[0], net(images)[0])
        assert again.tokenize(images).counts.tolist() == net.tokenize(images).counts.tolist()


def test_settings_of_the_gate_are_kept_and_may_be_replaced(tmp_path):
    net = MSViT(**SIZES, gate=MLPGate(16, hidden_dims=(8,)))  # a module: its tensors tell how it was made
    net.gate.threshold, net.gate.budget = 0.7, 0.25
    net.save_pretrained(tmp_path)
    again = MSViT.from_pretrained(tmp_path)
    assert (again.gate.threshold, again.gate.budget) == (0.7, 0.25)
    assert MSViT.from_pretrained(tmp_path, out_type='tokens').out_type == 'tokens'


def test_weights_to_start_from_are_not_asked_for_again(tmp_path):
    net = MSDeiT(**SIZES)
    torch.save(net.state_dict(), tmp_path / 'start.pth')
    MSViT(**SIZES, pretrained=tmp_path / 'start.pth').save_pretrained(tmp_path / 'model')
    (tmp_path / 'start.pth').unlink()
    assert json.loads((tmp_path / 'model' / 'config.json').read_text())['pretrained'] is None
    MSViT.from_pretrained(tmp_path / 'model')


def test_a_gate_that_no_config_tells_of_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"given as a UniformGate, .* gate=dict\(type='msvit.UniformGate'"):
        MSViT(**SIZES, gate=UniformGate(16)).save_pretrained(tmp_path)


@pytest.mark.parametrize(
    'gate',
    [
        dict(type='mmengine.Sequential'),
        dict(type='msvit.MSViT'),
        dict(type='msvit.SaliencyGate', saliency=dict(type='mmengine.Sequential')),
        'somewhere.pth',
    ],
)
def test_a_strangers_config_builds_gates_alone(gate, tmp_path):
    MSViT(**SIZES).save_pretrained(tmp_path)
    config = json.loads((tmp_path / 'config.json').read_text())
    (tmp_path / 'config.json').write_text(json.dumps({**config, 'gate': gate}))
    with pytest.raises(ValueError, match='gates of msvit alone are built'):
        MSViT.from_pretrained(tmp_path)


def test_weights_that_lack_a_part_are_refused(tmp_path):
    MSViT(**SIZES).save_pretrained(tmp_path)
    config = json.loads((tmp_path / 'config.json').read_text())
    (tmp_path / 'config.json').write_text(json.dumps({**config, 'gate': dict(type='msvit.MLPGate', hidden_dims=[8])}))
    with pytest.raises(RuntimeError, match='gate.mlp.0.weight'):
        MSViT.from_pretrained(tmp_path)


def test_an_upload_brings_config_and_weights(tmp_path, monkeypatch):
    uploads = []

    class Hub:
        def __init__(self, **_):
            pass

        def create_repo(self, repo_id, **_):
            return type('Address', (), dict(repo_id=repo_id))

        def upload_folder(self, *, repo_id, folder_path, **_):
            uploads.append((repo_id, sorted(path.name for path in type(tmp_path)(folder_path).iterdir())))

    monkeypatch.setattr('huggingface_hub.hub_mixin.HfApi', Hub)
    MSViT(**SIZES, gate=dict(type='msvit.MLPGate', hidden_dims=(8,))).push_to_hub('somebody/msvit')
    assert uploads == [('somebody/msvit', ['README.md', 'config.json', 'model.safetensors'])]

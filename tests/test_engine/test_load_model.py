"""A trained model from its config and checkpoint alone, whatever files its training began with."""

import logging

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

from msvit.backbones.awaited import awaited
from msvit.checkpoints import CheckpointError, save_gate
from msvit.engine.load_model import load_model
from msvit.gates import ContextGate, MLPGate, Normalization

IMAGENET = dict(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))


def config_of(gate) -> Config:
    arch = dict(embed_dim=16, depth=1, num_heads=2, patch_size=8)
    backbone = dict(type='msvit.MSViT', arch=arch, img_size=32, coarse_patch_size=16, out_type='cls_token', gate=gate)
    head = dict(type='LinearClsHead', in_channels=16, num_classes=2)
    return Config(dict(default_scope='mmpretrain', model=dict(type='ImageClassifier', backbone=backbone, head=head)))


@pytest.fixture(params=[(MLPGate, dict(hidden_dims=(12, 8))), (ContextGate, dict(width=8, depth=1))], ids=['mlp', 'context'])
def file(request, tmp_path):
    torch.manual_seed(0)
    kind, form = request.param
    gate = kind(coarse_patch_size=16, init_p_fine=0.5, threshold=0.4, **form)
    torch.nn.init.normal_(gate.last_layer.weight)
    return save_gate(gate, tmp_path / 'gate.safetensors', Normalization((127.5,) * 3, (127.5,) * 3))


def train(cfg: Config, path) -> torch.nn.Module:
    init_default_scope('mmpretrain')
    model = MODELS.build(cfg.model).eval()
    torch.save(dict(state_dict=model.state_dict()), path)
    return model


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize('gone', [False, True], ids=['with its file', 'file gone'])
@pytest.mark.parametrize('form', ['config', 'folded', 'text'])
def test_a_host_of_a_trained_gate(file, tmp_path, images, form, gone):
    config = dict(type='msvit.TrainedGate', checkpoint=str(file), threshold=0.3)
    cfg = config_of({'config': config, 'folded': {**config, **IMAGENET}, 'text': str(file)}[form])
    trained = train(cfg, tmp_path / 'run.pth')
    if gone:
        file.unlink()
    model = load_model(cfg, tmp_path / 'run.pth')
    threshold = 0.3 if form != 'text' else 0.5 if gone else 0.4  # only the file told 0.4
    assert model.backbone.gate.frozen and model.backbone.gate.threshold == threshold
    model.backbone.gate.threshold = trained.backbone.gate.threshold
    assert torch.equal(model.backbone.decide(images).p_fine, trained.backbone.decide(images).p_fine)
    assert torch.equal(model(images)[0], trained(images)[0])


def test_what_is_lost_with_the_file_is_a_warning(file, monkeypatch):
    gate = dict(type='msvit.TrainedGate', checkpoint=str(file), threshold=0.3)
    assert awaited(gate) is gate
    file.unlink()
    said = []
    monkeypatch.setattr(MMLogger.get_current_instance(), 'handle', lambda record: said.append(record))
    config = awaited(gate)
    assert [record.levelno for record in said] == [logging.WARNING]
    assert 'gate.safetensors not found' in said[0].msg and "{'threshold': 0.3}" in said[0].msg
    assert (config['frozen'], config['threshold']) == (True, 0.3)


def test_a_gate_that_is_not_there_yet_says_so(file, images):
    cfg = config_of(str(file))
    file.unlink()
    init_default_scope('mmpretrain')
    model = MODELS.build(cfg.model).eval()
    with pytest.raises(CheckpointError, match=r'gate.safetensors not found. Load a checkpoint of the whole model first'):
        model(images)
    with pytest.raises(FileNotFoundError, match='gate.safetensors not found'):
        model.init_weights()  # as a training begins


def test_weights_to_begin_with_are_read_when_training_begins(tmp_path):
    cfg = config_of(None)
    donor = train(cfg, tmp_path / 'run.pth')
    weights = str(tmp_path / 'weights.pth')
    cfg.model.backbone.pretrained = weights
    cfg.model.head = dict(type='msvit.PretrainedClsHead', in_channels=16, num_classes=2, pretrained=weights)
    model = MODELS.build(cfg.model)  # there is no such file
    torch.nn.init.ones_(donor.head.fc.weight)
    torch.save(donor.state_dict(), weights)
    model.init_weights()
    assert all(torch.equal(value, donor.backbone.state_dict()[name]) for name, value in model.backbone.state_dict().items())
    assert torch.equal(model.head.layers.head.weight, donor.head.fc.weight)


def test_an_initialiser_serves_backbone_and_head(tmp_path):
    cfg = config_of(None)
    donor = train(cfg, tmp_path / 'run.pth')
    init_cfg = dict(type='msvit.Pretrained', checkpoint=str(tmp_path / 'run.pth'))
    cfg.model.backbone.init_cfg = init_cfg
    cfg.model.head.init_cfg = init_cfg
    cfg.model.head.type = 'VisionTransformerClsHead'
    model = MODELS.build(cfg.model)
    model.init_weights()
    assert torch.equal(model.backbone.blocks[0].attn.qkv.weight, donor.backbone.blocks[0].attn.qkv.weight)
    assert torch.equal(model.head.layers.head.weight, donor.head.fc.weight)


def test_of_two_gates_each_host_gets_its_own():
    def backbone(gate):
        arch = dict(embed_dim=16, depth=1, num_heads=2, patch_size=4)
        return MODELS.build(dict(type='msvit.MSViT', arch=arch, img_size=16, coarse_patch_size=8, gate=gate))

    gates = dict(one=(4,), two=(5, 6))
    donors = {side: backbone(dict(type='msvit.MLPGate', hidden_dims=widths)) for side, widths in gates.items()}
    hosts = torch.nn.ModuleDict({side: backbone('nowhere.safetensors') for side in gates})
    hosts.load_state_dict(torch.nn.ModuleDict(donors).state_dict())
    for side, host in hosts.items():
        assert host.gate.frozen and torch.equal(host.gate.mlp[0].weight, donors[side].gate.mlp[0].weight)


def test_a_checkpoint_without_the_gate_is_refused(file, tmp_path):
    cfg = config_of(str(file))
    train(config_of(None), tmp_path / 'dense.pth')
    with pytest.raises(CheckpointError, match='does not fit the model'):
        load_model(cfg, tmp_path / 'dense.pth')
    file.unlink()
    with pytest.raises(CheckpointError, match='holds no learned gate'):
        load_model(cfg, tmp_path / 'dense.pth')

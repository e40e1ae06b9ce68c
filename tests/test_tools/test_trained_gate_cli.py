"""tools/test.py on a host of a trained gate whose own file is gone."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from msvit.checkpoints import save_gate
from msvit.gates import MLPGate, Normalization

BACKBONE = """
model['backbone'] = dict(type='msvit.MSViT', arch=dict(embed_dim=16, depth=1, num_heads=2, patch_size=4), img_size=32,
                         coarse_patch_size=8, gate={gate!r})
test_evaluator = [test_evaluator, dict(type='msvit.TokenMetric')]
"""


def test_a_trained_host_is_tested_without_the_file_of_its_gate(toy_config, run_tool, tmp_path):
    file = save_gate(MLPGate(8, hidden_dims=(6,)), tmp_path / 'gate.safetensors', Normalization((127.5,) * 3, (127.5,) * 3))
    toy_config.write_text(toy_config.read_text() + BACKBONE.format(gate=str(file)))
    cfg = Config.fromfile(toy_config)
    init_default_scope('mmseg')
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), tmp_path / 'run.pth')
    file.unlink()
    with pytest.raises(SystemExit, match='gate.safetensors not found'):  # a new training needs the file
        run_tool('train.py', toy_config, '--work-dir', tmp_path / 'again')
    run_tool('test.py', toy_config, tmp_path / 'run.pth', '--work-dir', tmp_path / 'test', '--out', tmp_path / 'test.json')
    metrics = json.loads((tmp_path / 'test.json').read_text())['metrics']
    assert 'mIoU' in metrics and any('token' in name for name in metrics)

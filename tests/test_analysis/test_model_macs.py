"""MACs of whole models, against a counter that sees every operator, on every kind of model that the configs build."""

import copy
import json
from importlib.util import find_spec

import pytest
import torch
from mmengine.config import Config
from shipped_configs import CONFIGS, load_config, variants

from msvit.analysis.decisions import mask_of_tokens
from msvit.analysis.macs import count_macs
from msvit.analysis.macs.model import COLUMNS, model_macs
from msvit.analysis.model import AnalysedModel, all_fine, overruled
from msvit.tokens import position_table

DETECTORS = find_spec('mmdet') is not None  # make test-det


def kinds() -> dict[str, Config]:
    """One config for each model that differs in more than its input size, gate or losses."""
    found = {}
    for name in (*CONFIGS, *variants()):
        cfg = load_config(name)
        if cfg.default_scope == 'mmdet' and not DETECTORS:
            continue
        model = copy.deepcopy(cfg.model.to_dict())
        for key in ('img_size', 'gate', 'gate_loss', 'train_layout', 'pretrained', 'drop_path_rate'):
            model['backbone'].pop(key, None)
        for key in ('data_preprocessor', 'teacher', 'test_cfg', 'train_cfg'):
            model.pop(key, None)
        found.setdefault(json.dumps(model, sort_keys=True, default=str), (name, cfg))
    return dict(found.values())


KINDS = kinds()


@pytest.mark.parametrize('name', KINDS)
def test_every_model_agrees_with_a_counted_run(name, shorten):
    cfg = KINDS[name]
    size = 8 * cfg.model.backbone.get('coarse_patch_size', 32)
    cfg.model.backbone.img_size = size
    cfg.model.backbone.gate = dict(type='msvit.MLPGate', hidden_dims=(8,))
    cfg.model.backbone.gate_loss = None
    model = AnalysedModel(cfg)
    shorten(model.backbone)
    backbone, inputs = model.backbone, torch.randn(1, 3, size - 20, size)
    grid = backbone.grid(inputs)
    with overruled(backbone, mask_of_tokens(backbone, inputs, (grid.num_coarse + grid.num_fine) // 2)):
        macs, counted = model_macs(model, inputs), count_macs(lambda: model.forward(inputs)) / 1e9
    resizing = 0.0  # of position embeddings, once a batch, which the parts leave out
    if hasattr(backbone, 'native_shape'):
        patches = backbone.pos_embed[:, -backbone.native_shape[0] * backbone.native_shape[1] :]
        resizing = count_macs(lambda: position_table(patches, backbone.native_shape, grid)) / 1e9
    assert macs.total == pytest.approx(counted - resizing, rel=0.005)
    assert all(getattr(macs, column) > 0 for column in COLUMNS)

    with all_fine(backbone):
        dense = model_macs(model, inputs)
    assert dense.gate == 0 and dense.tokens == grid.num_fine
    assert dense.backbone > macs.backbone - macs.gate
    assert backbone.gate is not None, 'the gate is back'


def test_the_list_spans_all_backbones_and_heads():
    backbones = {cfg.model.backbone.type for cfg in KINDS.values()}
    assert backbones == {f'msvit.{name}' for name in ('MSViT', 'MSDeiT', 'MSSwin', 'MSDyViT', 'MSEViT')}
    assert len(KINDS) >= 12

import runpy
from pathlib import Path

import pytest
import torch

from msvit.checkpoints import read_checkpoint

main = runpy.run_path(str(Path(__file__).parents[2] / 'tools/model_converters/initial_weights.py'))['main']


@pytest.fixture
def config(tmp_path) -> Path:
    file = tmp_path / 'config.py'
    file.write_text("""
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='msvit.MSViT',
        arch=dict(embed_dim=16, depth=1, num_heads=2, patch_size=8),
        img_size=32,
        coarse_patch_size=16,
        out_type='cls_token',
    ),
    head=dict(type='msvit.PretrainedClsHead', in_channels=16, num_classes=3),
)
""")
    return file


def test_backbone_and_classifier_of_timm(config, tmp_path):
    main([str(config), str(tmp_path / 'all.safetensors')])
    state = read_checkpoint(tmp_path / 'all.safetensors')
    timm_names = {'head.weight': torch.randn(3, 16), 'head.bias': torch.randn(3)}
    timm_names |= {name.removeprefix('backbone.'): value for name, value in state.items() if name.startswith('backbone.')}
    torch.save(timm_names, tmp_path / 'timm.pth')
    out, options = (
        tmp_path / 'again.safetensors',
        [f'model.{part}.pretrained={tmp_path}/timm.pth' for part in ('backbone', 'head')],
    )
    main([str(config), str(out), '--cfg-options', *options])
    again = read_checkpoint(out)
    assert again.keys() == state.keys()
    assert torch.equal(again['head.layers.head.weight'], timm_names['head.weight'])
    assert torch.equal(again['backbone.pos_embed'], state['backbone.pos_embed'])


def test_nothing_is_replaced_in_silence(config, tmp_path, capsys):
    (tmp_path / 'all.safetensors').touch()
    with pytest.raises(SystemExit):
        main([str(config), str(tmp_path / 'all.safetensors')])
    assert 'exists: choose another name' in capsys.readouterr().err

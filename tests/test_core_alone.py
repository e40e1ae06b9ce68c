"""The core needs torch, timm and safetensors: it runs where neither OpenMMLab nor a plotting library can be imported."""

import subprocess
import sys

ALONE = """
import sys
from importlib.machinery import PathFinder

ABSENT = {
    *('mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'mmdet', 'matplotlib', 'rich', 'scipy', 'sklearn', 'skimage'),
    *('jinja2', 'tensorboard', 'shtab', 'pandas'),
}


class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split('.')[0] in ABSENT else super().find_spec(name, path, target)


sys.meta_path[:] = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
"""
PROGRAM = """
import torch
import msvit.attention, msvit.checkpoints, msvit.necks, msvit.teachers, msvit.tokens
from msvit.backbones import MSDyViT, MSEViT, MSSwin, MSViT
from msvit.gates import MLPGate
from msvit.losses import GBaSLoss, batch_shaping_loss

torch.manual_seed(0)
images = torch.randn(2, 3, 32, 32)
arch = dict(embed_dim=16, depth=2, num_heads=2, patch_size=4)
gate = dict(type='msvit.MLPGate', coarse_patch_size=8)
loss = dict(type='msvit.GBaSLoss', target=0.5)
net = MSViT(arch, img_size=32, coarse_patch_size=8, gate=gate, gate_loss=loss, layout='packed', train_layout='masked').train()
(features,) = net(images)
terms = net.pop_gate_losses()
(features.square().mean() + sum(value for name, value in terms.items() if 'loss' in name)).backward()
assert all(parameter.grad is not None for parameter in net.parameters())
assert isinstance(net.gate, MLPGate) and isinstance(net.gate_loss, GBaSLoss)
for kind in (MSDyViT, MSEViT):
    kind(arch, img_size=32, coarse_patch_size=8, gate=gate, prune_at=(1,)).eval()(images)
swin = dict(embed_dim=8, depths=(1, 1), num_heads=(1, 1), window_size=2)
MSSwin(swin, img_size=32, coarse_patch_size=8, gate=gate, out_indices=(0, 1)).eval()(images)
try:
    MSViT(arch, img_size=32, coarse_patch_size=8, gate=dict(type='msvit.NoGate'))
except ValueError as error:
    assert 'msvit.MLPGate' in str(error), error
assert not {'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'matplotlib', 'scipy'} & sys.modules.keys()
"""
NEEDS_A_HOST = """
try:
    import msvit.engine
except ImportError as error:
    assert 'msvit[onedl]' in str(error), error
else:
    raise AssertionError('the engine plugs into nothing')
"""


def run(program: str) -> None:
    done = subprocess.run([sys.executable, '-c', ALONE + program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_core_trains_and_predicts():
    run(PROGRAM)


def test_what_plugs_into_openmmlab_says_what_to_install():
    run(NEEDS_A_HOST)

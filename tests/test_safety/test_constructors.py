"""Constructors with one wrong argument: they work, or name it.

To add one, add it with arguments that work to `PARTS`.
"""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from msvit.backbones import MSDeiT, MSDyViT, MSEViT, MSSwin, MSViT
from msvit.checkpoints import load_gate
from msvit.datasets import (
    DigitLabelsDataset,
    DigitScenesDataset,
    ImageFolderDataset,
    SegDataset,
    UnlabelledImages,
    build_digit_scenes,
)
from msvit.engine import GateWarmupHook, ScaleMapHook, SelfDistillationHook, TeachGateHook
from msvit.gates import ContextGate, MaskGate, MLPGate, RadialGate, RandomGate, SaliencyGate, UniformGate
from msvit.heads import MixedScaleSegmenterHead, PretrainedClsHead, PretrainedDeiTClsHead
from msvit.hosts import DistilledClassifier, FrozenTeacher, RaggedEncoderDecoder
from msvit.losses import BaSLoss, GBaSLoss, L0Loss, TargetLoss, TeachingLoss
from msvit.necks import SimpleFeaturePyramid, UnfoldTokens
from msvit.teachers import BoxTeacher, DenseTeacher, LabelTeacher

TINY = dict(arch=dict(embed_dim=8, depth=1, num_heads=1, patch_size=4), img_size=16, coarse_patch_size=8)
PRUNING = {**TINY, 'arch': dict(TINY['arch'], depth=2), 'prune_at': (1,)}
LINEAR = dict(type='LinearClsHead', num_classes=2, in_channels=8)
VIT = dict(type='msvit.MSDeiT', **TINY)
SEGMENTER = dict(num_classes=2, in_channels=8, channels=8, num_layers=1, num_heads=1, embed_dims=8)
NOTHING_LOADED = dict(lazy_init=True, pipeline=[])
PARTS = {
    MSViT: TINY,
    MSDeiT: TINY,
    MSDyViT: PRUNING,
    MSEViT: PRUNING,
    MSSwin: dict(
        arch=dict(embed_dim=8, depths=(1, 1), num_heads=(1, 1), window_size=2, patch_size=4),
        img_size=16,
        coarse_patch_size=8,
        out_indices=(0, 1),
    ),
    MLPGate: dict(coarse_patch_size=4, hidden_dims=(4,)),
    ContextGate: dict(coarse_patch_size=8, width=8, depth=1),
    MaskGate: dict(mask=[[0, 1]]),
    RadialGate: {},
    RandomGate: {},
    SaliencyGate: {},
    UniformGate: {},
    load_gate: dict(source='msvit://gate_s8_cifar10.safetensors', threshold=0.5, budget=None, temperature=1.0),
    GBaSLoss: dict(grid=(2, 2)),
    BaSLoss: {},
    TargetLoss: {},
    L0Loss: {},
    TeachingLoss: dict(teacher=LabelTeacher()),
    LabelTeacher: {},
    BoxTeacher: {},
    DenseTeacher: {},
    UnfoldTokens: dict(in_channels=8),
    SimpleFeaturePyramid: dict(in_channels=8),
    MixedScaleSegmenterHead: SEGMENTER,
    PretrainedClsHead: dict(num_classes=2, in_channels=8),
    PretrainedDeiTClsHead: dict(num_classes=2, in_channels=8),
    RaggedEncoderDecoder: dict(
        backbone=dict(type='msvit.MSViT', **TINY),
        decode_head=dict(type='FCNHead', in_channels=8, channels=8, num_classes=2, num_convs=0, concat_input=False),
    ),
    DistilledClassifier: dict(backbone=VIT, head=LINEAR, teacher=dict(backbone=VIT, head=LINEAR)),
    FrozenTeacher: dict(classifier=dict(backbone=VIT, head=LINEAR)),
    TeachGateHook: dict(teacher=LabelTeacher(), fine_share=0.5),
    GateWarmupHook: dict(iters=3),
    SelfDistillationHook: dict(checkpoint='dense.pth'),
    ScaleMapHook: {},
    SegDataset: NOTHING_LOADED,
    DigitScenesDataset: dict(NOTHING_LOADED, data_root='unused'),
    DigitLabelsDataset: dict(NOTHING_LOADED, data_root='unused', ann_file='unused'),
    ImageFolderDataset: NOTHING_LOADED,
    UnlabelledImages: dict(NOTHING_LOADED, ann_file='unused'),
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.floats(-2, 2),
    st.sampled_from(
        [float('nan'), float('inf'), -float('inf'), '', 'abc', b'abc', object(), {}, [], (), (0, 0), (-1,), ('a',)]
    ),
    st.sampled_from([[None], [1.5], torch.ones(2), torch.tensor(0.5), complex(1, 1)]),
)
CALLS = [
    (part, name)
    for part in PARTS
    for name, parameter in inspect.signature(part).parameters.items()
    if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
]


@pytest.mark.parametrize(('part', 'name'), CALLS, ids=lambda value: getattr(value, '__name__', value))
def test_a_wrong_argument_is_named(part, name):
    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    @given(VALUES)
    def call(value):
        if name == 'pretrained' and (value is True or isinstance(value, str) and value):
            return  # fetches weights
        try:
            part(**{**PARTS[part], name: value})
        except FileNotFoundError as error:
            assert isinstance(value, str) and value in str(error)
        except (TypeError, ValueError) as error:
            assert name in str(error)

    call()


@pytest.mark.parametrize(('part', 'name'), CALLS, ids=lambda value: getattr(value, '__name__', value))
def test_no_argument_may_be_just_anything(part, name):
    with pytest.raises((TypeError, ValueError), match=name):
        part(**{**PARTS[part], name: object()})


SCENES = dict(train=1, val=1, size=32, seed=0, digits_per_scene=(1, 1), note_side=(0.2, 0.3), overwrite=False)


@pytest.mark.parametrize('name', SCENES)
@pytest.mark.parametrize('value', [None, 'abc', 2.5, float('nan'), (2, 1), [None], {}], ids=repr)
def test_wrong_settings_of_scenes_are_named_before_a_file_is_written(tmp_path, name, value):
    with pytest.raises((TypeError, ValueError), match=name):
        build_digit_scenes(tmp_path / 'scenes', **{**SCENES, name: value})
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope='module')
def net():
    return MSViT(**TINY, gate=dict(type='msvit.MLPGate', hidden_dims=(4,))).eval()


@pytest.mark.parametrize(
    'mask',
    [torch.full((1, 2, 2), 0.2), torch.full((1, 2, 2), -1), torch.full((1, 2, 2), torch.nan), [[[0, 2], [1, 0]]], 'abc'],
)
def test_a_mask_that_decides_nothing_is_refused(net, mask):
    with pytest.raises(ValueError, match='fine_mask must be'):
        net(torch.zeros(1, 3, 16, 16), fine_mask=mask)


@pytest.mark.parametrize('dtype', [torch.uint8, torch.float64, torch.float16])
def test_images_of_another_type_than_the_weights_are_refused(net, dtype):
    with pytest.raises(TypeError, match=f'images must be torch.float32 as the weights are, and normalised, got {dtype}'):
        net(torch.zeros(1, 3, 16, 16, dtype=dtype))


@pytest.mark.parametrize(('name', 'value'), [('threshold', True), ('threshold', float('nan')), ('budget', True)])
def test_a_setting_of_a_gate_may_be_wrong_later(net, name, value):
    gate = MLPGate(4, hidden_dims=(4,)).eval()
    setattr(gate, name, value)
    with pytest.raises(ValueError, match=f'{name} must .*{value}'):
        gate(torch.zeros(1, 3, 8, 8))


def test_calibration_on_images_of_nan_is_refused():
    gate = MLPGate(4, hidden_dims=(4,)).eval()
    with pytest.raises(ValueError, match='not finite'):
        gate.calibrate(torch.full((1, 3, 8, 8), torch.nan), 0.5)

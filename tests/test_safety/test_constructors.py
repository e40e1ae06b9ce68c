"""Constructors with one wrong argument: they work, or name it.

To add one, add it with arguments that work to `PARTS`.
"""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from msvit.backbones import MSSwin, MSViT
from msvit.gates import ContextGate, MaskGate, MLPGate, RadialGate, RandomGate, SaliencyGate, UniformGate
from msvit.losses import BaSLoss, GBaSLoss, L0Loss, TargetLoss

TINY = dict(arch=dict(embed_dim=8, depth=1, num_heads=1, patch_size=4), img_size=16, coarse_patch_size=8)
PARTS = {
    MSViT: TINY,
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
    GBaSLoss: dict(grid=(2, 2)),
    BaSLoss: {},
    TargetLoss: {},
    L0Loss: {},
}
NOT_SMALL = {'gate', 'arch'}  # names of timm, checkpoints: tests of their own
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
CALLS = [(part, name) for part in PARTS for name in inspect.signature(part).parameters if name not in NOT_SMALL]


@pytest.mark.parametrize(('part', 'name'), CALLS, ids=lambda value: getattr(value, '__name__', value))
def test_a_wrong_argument_is_named(part, name):
    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    @given(VALUES)
    def call(value):
        if name == 'pretrained' and (value is True or isinstance(value, str) and value):
            return  # fetches weights
        try:
            part(**{**PARTS[part], name: value})
        except (TypeError, ValueError) as error:
            assert name in str(error)

    call()


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

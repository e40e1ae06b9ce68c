"""How often a forward pass waits for the GPU: at most once, to learn how many tokens there are.

A CPU never waits, so there the reads are counted that would: of values by the host, and of shapes that depend on values.
MSSwin is not among them: it finds the windows that hold a cell in every stage.
"""

import warnings
from collections.abc import Callable
from contextlib import contextmanager

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS as MMSEG_MODELS
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from msvit.backbones import MSDyViT, MSEViT
from msvit.necks import ReplicateTokens, SimpleFeaturePyramid, UnfoldTokens

ARCH = dict(embed_dim=32, depth=4, num_heads=2, patch_size=8)
REGION, SIDE = 16, 64
MLP = dict(type='msvit.MLPGate', init_p_fine=0.5)
GATES = {
    'none': None,
    'threshold': MLP,
    'budget': dict(MLP, threshold=0.0, budget=0.4),
    'nothing fine': dict(MLP, budget=0),
    'context': dict(type='msvit.ContextGate', budget=0.4),
    'detail': dict(type='msvit.SaliencyGate'),
    'edges': dict(type='msvit.SaliencyGate', saliency='edges', threshold=0.1),
    'radial': dict(type='msvit.RadialGate'),
    'uniform': dict(type='msvit.UniformGate'),
    'random': dict(type='msvit.RandomGate'),
}
LAYOUTS = {'masked': 0, 'trimmed': 1, 'packed': 1}  # waits
WINDOWS = dict(mode='slide', crop_size=(SIDE, SIDE), stride=(40, 40))


class _Reads:
    """How many reads there were."""

    def __init__(self) -> None:
        self.count = 0


class _Calls(TorchFunctionMode):
    """Counts what moves values between host and device without an operator that a CPU would run."""

    NAMES = {'tolist', 'numpy', 'cpu', 'tensor', 'new_tensor'}

    def __init__(self, reads: _Reads) -> None:
        super().__init__()
        self.reads = reads

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.reads.count += getattr(func, '__name__', '') in self.NAMES
        return func(*args, **(kwargs or {}))


class _Operators(TorchDispatchMode):
    """Counts operators that give the host a value, or a tensor whose size depends on values."""

    NAMES = {'_local_scalar_dense', 'nonzero', 'masked_select', '_unique2', 'unique_dim', 'equal'}

    def __init__(self, reads: _Reads) -> None:
        super().__init__()
        self.reads = reads

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ('index', 'index_put', 'index_put_') and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        unsized = name == 'repeat_interleave' and (kwargs or {}).get('output_size') is None
        self.reads.count += name in self.NAMES or by_mask or unsized
        return func(*args, **(kwargs or {}))


@contextmanager
def reads_on_the_cpu():
    reads = _Reads()
    with _Calls(reads), _Operators(reads):
        yield reads


@contextmanager
def waits_for_the_gpu():
    reads = _Reads()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            yield reads
    finally:
        torch.cuda.set_sync_debug_mode('default')
    reads.count = sum('synchronizing' in str(warning.message) for warning in caught)


WAITS = {'cpu': reads_on_the_cpu, 'cuda': waits_for_the_gpu}


def count_waits(net: nn.Module, run: Callable[[Tensor], object], device: str, side: int = SIDE, batch: int = 3) -> int:
    """Of a second forward pass: the first makes the index maps that are kept."""
    net.eval().to(device)
    images = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad():
        run(images)
        with WAITS[device]() as waits:
            run(images)
    return waits.count


@pytest.mark.parametrize('gate', GATES)
@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_backbone(layout, gate, device, tiny_msvit):
    net = tiny_msvit(ARCH, img_size=SIDE, layout=layout, gate=GATES[gate])
    assert count_waits(net, net, device) == LAYOUTS[layout]


@pytest.mark.parametrize('gate', GATES)
def test_graphs_ask_no_more(gate, device, tiny_msvit):
    net = tiny_msvit(ARCH, img_size=SIDE, gate=GATES[gate])
    net.capture_graphs()
    assert count_waits(net, net, device) == 1


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('kind', [MSEViT, MSDyViT])
@pytest.mark.parametrize('layout', LAYOUTS)
def test_pruning_asks_no_more(layout, kind, batch, device):
    net = kind(ARCH, img_size=SIDE, coarse_patch_size=REGION, prune_at=(1, 2), gate=MLP, layout=layout)
    assert count_waits(net, net, device, batch=batch) == LAYOUTS[layout]


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('to_maps', [ReplicateTokens(), UnfoldTokens(32)], ids=['replicated', 'unfolded'])
def test_necks(layout, device, tiny_msvit, to_maps):
    backbone = tiny_msvit(ARCH, img_size=SIDE, layout=layout, gate=MLP, out_type='tokens')
    pyramid = SimpleFeaturePyramid(32, 16, num_outs=4)
    net = nn.ModuleList((backbone, to_maps, pyramid))
    assert count_waits(net, lambda images: pyramid(to_maps(backbone(images))), device) == LAYOUTS[layout]


def segmentor(layout: str, test_cfg: dict) -> nn.Module:
    backbone = dict(arch=ARCH, img_size=SIDE, coarse_patch_size=REGION, gate=MLP, layout=layout, out_type='tokens')
    head = dict(in_channels=32, channels=32, num_classes=5, num_layers=2, num_heads=2, embed_dims=32)
    config = dict(
        type='msvit.RaggedEncoderDecoder',
        backbone=dict(type='msvit.MSViT', **backbone),
        decode_head=dict(type='msvit.MixedScaleSegmenterHead', **head),
        test_cfg=test_cfg,
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MMSEG_MODELS.build(ConfigDict(config))


@pytest.mark.parametrize('test_cfg', [dict(mode='whole'), WINDOWS], ids=['whole', 'windows'])
@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_segmentor_from_images_to_labels(layout, test_cfg, device):
    net = segmentor(layout, test_cfg)
    assert count_waits(net, net.predict, device, side=SIDE + 40, batch=2) == LAYOUTS[layout]


@pytest.mark.parametrize('read', [lambda x: x.tolist(), lambda x: x.sum().item(), lambda x: bool(x.any()), lambda x: x[x > 0]])
def test_reads_are_seen(read):
    with reads_on_the_cpu() as reads:
        read(torch.ones(3))
    assert reads.count == 1

"""Tiny mixed-scale ViTs with random weights, and what "equal to float rounding" means here."""

import gc
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.infer import BaseInferencer
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from PIL import Image
from torch import Tensor, nn

from msvit.backbones import MSDyViT, MSEViT, MSSwin, MSViT
from msvit.engine.safe_load import install_safe_loading
from msvit.matrix_library import ONEDNN, VARIABLE, onednn_is_possible

# Not timed here, where many processes run at once: the less usual way is the one to test.
if onednn_is_possible():
    os.environ.setdefault(VARIABLE, ONEDNN)
LAYOUTS = ('masked', 'trimmed', 'packed')
pytest_plugins = ['toy_training']


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leaves what is loaded by now out of garbage collections, of which a tiny training makes several."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the tools, whose tests take longest, so that no process waits for another at the end.

    Skips what needs a GPU where there is none.
    """
    items.sort(key=lambda item: 'test_tools' not in item.path.parts)
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker('gpu'):
            item.add_marker(pytest.mark.skip(reason='needs a GPU'))


def _randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.randn(parameter.shape, generator=generator) * 0.1
    return module


def _tiny_msvit(arch: dict | None = None, seed: int = 0, **kwargs) -> MSViT:
    sizes = dict(embed_dim=32, depth=2, num_heads=2, patch_size=8)
    torch.manual_seed(seed)
    net = MSViT({**sizes, **(arch or {})}, **{'img_size': 32, 'coarse_patch_size': 16, **kwargs})
    return _randomise(net, seed).eval()


def _tiny_msswin(arch: dict | None = None, **kwargs) -> MSSwin:
    sizes = dict(embed_dim=16, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8), window_size=4)
    torch.manual_seed(0)
    return _randomise(MSSwin({**sizes, **(arch or {})}, **{'img_size': 64, **kwargs})).eval()


def _shorten(backbone: nn.Module) -> None:
    if isinstance(backbone, MSSwin):
        for stage in backbone.layers:
            stage.blocks = stage.blocks[:2]
    elif not isinstance(backbone, (MSDyViT, MSEViT)):  # these prune in blocks of their own
        outputs = len(backbone.out_indices)
        depth = max(outputs, 2)
        backbone.blocks = backbone.blocks[:depth]
        backbone.out_indices = tuple(range(depth - outputs, depth))


def _assert_relative(actual: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert actual.shape == expected.shape
    assert torch.isfinite(actual).all()
    scale = expected.abs().max().clamp_min(1e-12)
    error = ((actual - expected).abs().max() / scale).item()
    assert error <= tolerance, f'relative error {error:.2e} > {tolerance:.0e}'


@pytest.fixture(scope='session', autouse=True)
def plain_configs():
    """A runner formats its config for its log, its file and each checkpoint: longer work than to train a tiny model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, *_, **__: (text, True))
        yield


@pytest.fixture(scope='session')
def perturb() -> Callable[..., nn.Module]:
    """Moves every parameter off its initial value, so that a zero bias or a forgotten norm cannot hide."""
    return _randomise


@pytest.fixture(scope='session')
def tiny_msvit() -> Callable[..., MSViT]:
    """Makes an MSViT of width 32 with 2 blocks, patch 8 and regions of 16 pixels, for 32 px, in evaluation mode."""
    return _tiny_msvit


@pytest.fixture(scope='session')
def tiny_msswin() -> Callable[..., MSSwin]:
    """Makes an MSSwin of width 16 with 4 stages of 2 blocks and windows of 4x4, for 64 px, in evaluation mode."""
    return _tiny_msswin


@pytest.fixture(scope='session')
def shorten() -> Callable[[nn.Module], None]:
    """Leaves out blocks of a config's backbone that are like others: two tell as much as twelve."""
    return _shorten


@pytest.fixture
def safe_loading(monkeypatch) -> None:
    """Installs the loader of checkpoints that runs no code, as the tools do, for one test."""
    monkeypatch.setattr(CheckpointLoader, '_schemes', CheckpointLoader._schemes.copy())
    monkeypatch.setattr(BaseInferencer, '_init_model', BaseInferencer._init_model)
    install_safe_loading()


@pytest.fixture(scope='session')
def fail_on_recompile() -> Callable[[], AbstractContextManager]:
    """Makes a context in which it is an error that torch compiles something anew."""
    if torch.__version__ < '2.7':
        pytest.skip('torch 2.6 compiles what follows a graph break anew at every call')
    return partial(torch.compiler.set_stance, 'fail_on_recompile')


@pytest.fixture(scope='session')
def assert_relative() -> Callable[..., None]:
    """Asserts max |actual - expected| / max |expected| <= tolerance, 1e-5 by default."""
    return _assert_relative


@pytest.fixture(scope='session')
def assert_drawn() -> Callable[[Path], None]:
    """Asserts that a picture is whole, of a size to look at, and neither blank nor a bare frame."""
    return _assert_drawn


@pytest.fixture(scope='session')
def real_data() -> Path:
    """The folder of real images."""
    folder = Path(os.environ.get('MSVIT_DATA', Path(__file__).parents[1] / 'data' / 'real'))
    if not folder.is_dir():
        pytest.skip(f'{folder} is absent: set MSVIT_DATA to the folder of real images')
    return folder


@pytest.fixture(autouse=True)
def no_default_scope():
    """A runner leaves its default scope behind, in which the next test's modules would be looked up."""
    yield
    DefaultScope._instance_dict.clear()


@pytest.fixture(params=['cpu', pytest.param('cuda', marks=pytest.mark.gpu)])
def device(request) -> str:
    """The CPU, and the GPU where there is one."""
    return request.param


@pytest.fixture(params=LAYOUTS)
def layout(request) -> str:
    return request.param


def _assert_drawn(path: Path) -> None:
    with Image.open(path) as file:
        pixels = np.asarray(file.convert('RGB'))
    assert min(pixels.shape[:2]) >= 200, f'{path} is {pixels.shape[1]}x{pixels.shape[0]}'
    colours, counts = np.unique(pixels.reshape(-1, 3) // 16, axis=0, return_counts=True)
    assert counts.max() < 0.97 * counts.sum(), f'{path} is blank'
    coloured = np.ptp(colours.astype(int), axis=1) > 2
    assert counts[coloured].sum() > 0.002 * counts.sum(), f'{path} holds a frame, and nothing is drawn in it'

"""``msvit convert``."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from msvit.cli import main


def convert(*arguments) -> int:
    return main(['convert', *map(str, arguments)])


@pytest.fixture
def dense(trained) -> tuple[str, str]:
    """Config and checkpoint of a tiny dense Segmenter with random weights."""
    return trained('seg', arch=dict(embed_dim=128, depth=1, num_heads=2, patch_size=8))


FEW = ('--iters', 3, '--teach-iters', 2)


def test_with_labels(dense, tmp_path, capsys):
    out = tmp_path / 'out'
    assert convert(*dense, '--out', out, *FEW, '--sweep', '--target', 0.4) == 0
    print(capsys.readouterr().out)
    print(sorted(str(p.relative_to(out)) for p in out.rglob('*')))
    print((out / 'convert.json').read_text())
    print((out / 'mixed.py').read_text())

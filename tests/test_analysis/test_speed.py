"""The rows of the speed table: the right models, and every group runs."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from msvit.analysis.speed import GROUPS, hosts, models, training
from msvit.analysis.speed.models import fine_masks, fine_regions, mixed_segmenter, mixed_vit
from msvit.cli import main

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'speed.py'


@pytest.mark.parametrize(('size', 'tokens'), [(224, 49), (224, 139), (224, 196), (96, 21)])
def test_the_gate_leaves_as_many_tokens_as_said(size, tokens):
    with torch.no_grad():
        assert mixed_vit(size, tokens).tokenize(torch.randn(2, 3, size, size)).counts.tolist() == [tokens] * 2


def test_masks_leave_as_many_tokens_as_said():
    masks = fine_masks(96, [9, 21, 36])
    counts = mixed_vit(96).tokenize(torch.zeros(3, 3, 96, 96), fine_mask=masks).counts
    assert counts.tolist() == [9, 21, 36]


@pytest.mark.parametrize('tokens', [48, 50, 199])
def test_impossible_token_counts_are_refused(tokens):
    with pytest.raises(ValueError, match='49 \\+ 3 k'):
        fine_regions(224, tokens)


def test_the_segmenter_gives_scores_of_every_cell():
    with torch.no_grad():
        assert mixed_segmenter(96, 21)(torch.randn(1, 3, 96, 96), mode='tensor').shape == (1, 150, 6, 6)


@pytest.fixture
def smaller(monkeypatch):
    """ViT-Ti in the place of ViT-S, fewer classes, smaller batches and images."""
    for module in (models, training):
        monkeypatch.setattr(module, 'ARCH', 'vit_tiny_patch16_224')
    monkeypatch.setattr(models, 'WIDTH', 192)
    monkeypatch.setattr(models, 'HEADS', 3)
    monkeypatch.setattr(models, 'CLASSES', 10)
    monkeypatch.setattr(training, 'BATCH', 2)
    monkeypatch.setattr(hosts, 'SWIN_SIZES', (224,))


@pytest.mark.parametrize('group', GROUPS)
def test_each_group_measures(group, smaller, tmp_path, capsys):
    out = tmp_path / 'speed.json'
    small = ['--sizes', '224', '--batches', '1', '2'] if group == 'throughput' else []
    main(['speed', '--groups', group, '--rounds', '1', '--out', str(out), *small])
    printed, figures = capsys.readouterr().out, json.loads(out.read_text())
    assert figures['rows']
    for row in figures['rows']:
        assert row['speedup'] == pytest.approx(row['seconds'][1] / row['seconds'][0])
        assert all(math.isfinite(seconds) and seconds > 0 for seconds in row['seconds'])
        assert row['name'][:20] in printed
        if row['batch']:
            assert row['images_per_second'] == [pytest.approx(row['batch'] / seconds) for seconds in row['seconds']]


def test_the_table_is_made_from_a_clone(tmp_path):
    out = tmp_path / 'speed.json'
    options = ['--groups', 'precision', '--rounds', '1', '--out', str(out)]
    done = subprocess.run([sys.executable, str(TOOL), *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text())['rows'] and 'bf16 autocast' in done.stdout


@pytest.mark.parametrize('options', [['--groups', 'nothing'], ['--rounds', '0']])
def test_wrong_options(options, capsys):
    with pytest.raises(SystemExit, match='2'):
        main(['speed', *options])
    assert 'error' in capsys.readouterr().err

"""``tools/test.py`` on exported files."""

import json

import pytest


def test_a_file_reaches_what_its_checkpoint_does(segmentor, segmentor_pair, tmp_path, run_tool):
    config, weights = segmentor_pair
    metrics = []
    for model in (weights, segmentor.path):
        run_tool('test.py', config, model, '--out', tmp_path / 'figures.json')
        metrics.append(json.loads((tmp_path / 'figures.json').read_text())['metrics'])
    assert 64 < metrics[0]['tokens/count_mean'] < 256
    assert metrics[1] == pytest.approx({name: metrics[0][name] for name in metrics[1]}, abs=0.01)
    assert {'aAcc', 'mIoU', 'mAcc'} <= set(metrics[1])


def test_augmentation_is_refused(segmentor, segmentor_pair, run_tool):
    with pytest.raises(SystemExit, match='2'):
        run_tool('test.py', segmentor_pair[0], segmentor.path, '--tta')

"""Detectors trained and tested by the tools: they learn, and hooks and metrics of mixed scale work in mmdet's runs."""

import json
from pathlib import Path

import pytest

pytest.importorskip('mmdet.models', reason="needs mmdet and mmcv's operators: make test-det")

# Sides in pixels that no region divides; the preprocessor pads them to 128x96 and 160x128 (multiples of 32).
SIZES_CONFIG = """
_base_ = '{root}/configs/small/msvit_mini8_fcos_sfp_128x128_digit_boxes.py'

load_from = None
model = dict(backbone=dict(gate_loss=dict(_delete_=True, type='msvit.BaSLoss', target=0.25, weight=4.0)))
train_pipeline = _base_.train_pipeline
train_pipeline[3] = dict(type='RandomChoiceResize', scales=[(75, 111), (110, 150)], keep_ratio=False)
train_pipeline.pop(4)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=(110, 150), keep_ratio=False)
train_dataloader = dict(batch_size=2, num_workers=0, dataset=dict(data_root='{data}', build=None, pipeline=train_pipeline))
val_dataloader = dict(num_workers=0, dataset=dict(data_root='{data}', build=None, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = _base_.val_evaluator
val_evaluator[0].ann_file = '{data}/annotations/instances_val.json'
test_evaluator = val_evaluator
train_cfg = dict(max_iters=6, val_interval=6)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=3))
log_processor = dict(window_size=1)
"""


@pytest.fixture(scope='module')
def sizes_run(tmp_path_factory, digit_boxes, run_tool):
    """Config and work dir of six steps on images of two sizes."""
    folder = tmp_path_factory.mktemp('sizes')
    config = folder / 'sizes.py'
    config.write_text(SIZES_CONFIG.format(root=run_tool.root, data=digit_boxes))
    run_tool('train.py', config, '--work-dir', folder / 'run')
    return config, folder / 'run'


def test_the_gates_loss_reaches_optimiser_and_log(sizes_run, read_log):
    records = [record for record in read_log(sizes_run[1]) if 'loss' in record]
    assert len(records) == 6
    for record in records:
        parts = sum(value for key, value in record.items() if key.startswith('loss_'))
        assert record['loss'] == pytest.approx(parts, rel=1e-3)
        assert record['loss_gate_prior'] > 0 and 0 < record['fine_share'] < 1
        # of batches padded to 128x96 and 160x128, tokens of 8 and 16 pixels
        assert any(record['tokens'] == pytest.approx(n + 3 * n * record['fine_share'], rel=1e-3) for n in (48, 80))


@pytest.mark.parametrize('threshold, tokens', [(0.0, 320), (1.0, 80)])
def test_tokens_are_counted_on_the_padded_input(sizes_run, run_tool, tmp_path, threshold, tokens):
    config, work_dir = sizes_run
    options = (f'model.backbone.gate.threshold={threshold}',)
    run_tool(
        'test.py', config, work_dir / 'iter_6.pth', '--work-dir', tmp_path, '--out', tmp_path / 'test.json', options=options
    )
    figures = json.loads((tmp_path / 'test.json').read_text())['metrics']
    assert figures['tokens/count_min'] == figures['tokens/count_max'] == tokens
    assert figures['tokens/inputs_per_image'] == 1 and 0 <= figures['coco/bbox_mAP'] <= 1
    assert len(list(tmp_path.rglob('scale_maps/test/*.png'))) == 6  # the pictures of ScaleMapHook


def test_a_resumed_run_repeats_the_losses(sizes_run, run_tool, read_log, tmp_path):
    config, work_dir = sizes_run
    run_tool('train.py', config, '--work-dir', tmp_path, '--resume', work_dir / 'iter_3.pth')
    whole, resumed = ([record['loss'] for record in read_log(path) if 'loss' in record] for path in (work_dir, tmp_path))
    assert resumed == whole[3:]


@pytest.fixture
def train(run_tool, read_log, tmp_path, capsys):
    """A function that trains a config, from a checkpoint or anew, and returns its last checkpoint and what it reached."""

    def run(name: str, start: Path | None = None) -> tuple[Path, dict]:
        config, work_dir = f'configs/small/{name}_128x128_digit_boxes.py', tmp_path / name
        run_tool('train.py', config, '--work-dir', work_dir, options=(f'load_from={start}',))
        figures = read_log(work_dir)[-1]
        with capsys.disabled():
            shown = {key: round(value, 3) for key, value in figures.items() if key.endswith(('_mAP', '_mAP_50', 'mean'))}
            print(f'\n{name}: {shown}')
        return work_dir / 'iter_300.pth', figures

    return run


def test_fcos_and_its_mixed_twin_learn(train):
    """Average precision far above that of chance, which is about 0; the twin begins where the dense one ends."""
    checkpoint, dense = train('vit_mini8_fcos_sfp')
    _, mixed = train('msvit_mini8_fcos_sfp', checkpoint)
    assert dense['coco/bbox_mAP'] > 0.3 and mixed['coco/bbox_mAP'] > 0.3
    assert 64 <= mixed['tokens/count_mean'] < dense['tokens/count_mean'] == 256


def test_mixed_mask_rcnn_learns_without_its_dense_twin(train):
    _, figures = train('msswin_mini4_c16_mask_rcnn_fpn')
    assert figures['coco/bbox_mAP'] > 0.3 and figures['coco/segm_mAP'] > 0.3
    assert 64 <= figures['tokens/count_mean'] < 1024

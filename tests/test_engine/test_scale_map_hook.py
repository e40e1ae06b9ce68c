"""The hook draws the first images of every validation and test, whatever the pipeline makes of them."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from mmseg.models import SegTTAModel
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

from msvit.engine import ScaleMapHook

HEIGHT, WIDTH = 60, 48  # of the files; the network sees 64x40 pixels, padded to 64x48 in some tests
SHOWN = 8 * HEIGHT, 8 * WIDTH
PALETTE = [[255, 0, 0], [0, 0, 255]]


@pytest.fixture(autouse=True)
def as_a_new_process():
    for instances in (DefaultScope, MessageHub, MMLogger, SegLocalVisualizer, Visualizer):
        instances._instance_dict.clear()


@pytest.fixture
def build_runner(tmp_path):
    """A function that returns a runner of a tiny Segmenter on five flat images; keywords change its config."""
    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
    for number in range(5):
        Image.new('RGB', (WIDTH, HEIGHT), (200, 30 * number, 0)).save(tmp_path / 'images' / f'{number}.png')
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[:, WIDTH // 2 :] = 1
        Image.fromarray(mask).save(tmp_path / 'masks' / f'{number}.png')
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(40, 64), keep_ratio=False),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ]
    dataset = dict(
        type='BaseSegDataset',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        img_suffix='.png',
        metainfo=dict(classes=('left', 'right'), palette=PALETTE),
    )
    config = dict(
        default_scope='mmseg',
        work_dir=str(tmp_path / 'work'),
        visualizer=dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer'),
        default_hooks=dict(logger=dict(type='LoggerHook', log_metric_by_epoch=False), checkpoint=None),
        log_processor=dict(by_epoch=False),
        model=dict(
            type='EncoderDecoder',
            data_preprocessor=dict(
                type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True, size=(64, 40)
            ),
            backbone=dict(
                type='msvit.MSViT',
                arch=dict(embed_dim=16, depth=1, num_heads=2, patch_size=8),
                img_size=64,
                coarse_patch_size=16,
                gate=dict(type='msvit.RadialGate', fine_share=0.5),
            ),
            decode_head=dict(type='FCNHead', in_channels=16, channels=8, num_convs=1, num_classes=2),
            test_cfg=dict(mode='whole'),
        ),
        val_dataloader=dict(
            batch_size=2,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(dataset, pipeline=pipeline),
        ),
        val_evaluator=[dict(type='IoUMetric'), dict(type='msvit.TokenMetric')],
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
        train_dataloader=dict(
            batch_size=2,
            sampler=dict(type='InfiniteSampler', shuffle=False),
            dataset=dict(dataset, pipeline=[pipeline[i] for i in (0, 2, 1, 3)]),
        ),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=4, val_interval=2),
        custom_hooks=[dict(type='msvit.ScaleMapHook', images=3)],
    )
    config['test_dataloader'], config['test_evaluator'] = config['val_dataloader'], config['val_evaluator']

    def build(**changes) -> Runner:
        cfg = Config(config)
        cfg.merge_from_dict(changes)
        return Runner.from_cfg(cfg)

    return build


def drawn(runner: Runner) -> dict[str, np.ndarray]:
    """The pictures of a run by their path below the run's folder."""
    files = sorted(Path(runner.log_dir).rglob('scale_maps/**/*.png'))
    return {str(file.relative_to(Path(runner.log_dir) / 'scale_maps')): np.asarray(Image.open(file)) for file in files}


def parts(sheet: np.ndarray, count: int) -> list[np.ndarray]:
    """The pictures that a panel was made of."""
    height, width = SHOWN
    head = sheet.shape[0] - height - 12
    assert sheet.shape[1] == 12 + count * (width + 12)
    return [sheet[head : head + height, 12 + i * (width + 12) :][:, :width] for i in range(count)]


@pytest.mark.parametrize('occasion', ['iter_0', 'test'])
def test_the_first_images_are_drawn_with_scales_prediction_and_truth(build_runner, occasion):
    runner = build_runner()
    metrics = runner.val() if occasion == 'iter_0' else runner.test()
    assert metrics['tokens/inputs_per_image'] == 1  # what the hook asks of the backbone is not counted
    pictures = drawn(runner)
    assert list(pictures) == [f'{occasion}/0{i}_{i}.png' for i in range(3)]
    for i, sheet in enumerate(pictures.values()):
        image, scales, _, truth = parts(sheet, 4)
        assert (image == (200, 30 * i, 0)).all()
        assert (scales[5, 5] == image[5, 5]).all() and (scales != image).any()
        left, right = truth[5, 5].astype(int), truth[5, -5].astype(int)
        assert left[0] > left[2] and right[2] > right[0]


def test_validations_of_a_training_are_named_by_their_iteration(build_runner):
    runner = build_runner()
    runner.train()
    assert list(drawn(runner)) == [f'iter_{iteration}/0{i}_{i}.png' for iteration in (2, 4) for i in range(3)]


def test_the_training_data_need_not_be_there(build_runner):
    runner = build_runner(**{'train_dataloader.dataset.data_root': 'nowhere'})
    runner.val()
    runner.test()
    assert len(drawn(runner)) == 6


def test_every_validation_draws_its_first_images_again(build_runner):
    runner = build_runner()
    runner.val()
    for file in Path(runner.log_dir).rglob('scale_maps/**/*.png'):
        file.unlink()
    runner.val_loop.run()
    assert len(drawn(runner)) == 3


@pytest.mark.parametrize(
    'changes',
    [
        {},
        {'model.data_preprocessor.test_cfg': dict(size_divisor=48)},
        {'model.test_cfg': dict(mode='slide', crop_size=(32, 32), stride=(16, 16))},
        {'model.backbone.gate': None},
        {'model.backbone.gate': dict(_delete_=True, type='msvit.MLPGate')},
    ],
    ids=['whole', 'padded', 'slide', 'all fine', 'learned'],
)
def test_lines_lie_where_the_network_cut_the_image(build_runner, changes):
    runner = build_runner(**changes, **{'custom_hooks': [dict(type='msvit.ScaleMapHook', images=1)]})
    runner.val()
    (sheet,) = drawn(runner).values()
    image, scales, *_ = parts(sheet, 4)
    lines = (scales != image).any(axis=-1)
    rows, columns = (np.flatnonzero(lines.mean(axis) > 0.9) for axis in (1, 0))
    for found, shown, seen in ((rows, SHOWN[0], 64), (columns, SHOWN[1], 40)):
        borders = np.arange(16, seen, 16) * shown / seen
        assert np.abs(found[:, None] - borders).min(axis=0).max() <= 1


def test_pictures_reach_other_back_ends_once(build_runner, tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    runner = build_runner(**{'visualizer.vis_backends': [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]})
    runner.val()
    events = EventAccumulator(str(Path(runner.log_dir) / 'vis_data'), size_guidance={'images': 0})
    runner.visualizer.close()
    events.Reload()
    assert events.Tags()['images'] == [f'scale_maps/0{i}_{i}' for i in range(3)]
    assert not list(tmp_path.rglob('vis_image/*'))


def test_a_model_without_mixed_scale_backbone_is_told_of(build_runner):
    backbone = dict(_delete_=True, type='ResNet', depth=18, base_channels=4, out_indices=(3,))
    runner = build_runner(
        **{'model.backbone': backbone, 'model.decode_head.in_channels': 32, 'val_evaluator': [dict(type='IoUMetric')]}
    )
    runner.val()
    (log,) = Path(runner.log_dir).glob('*.log')
    assert 'no mixed-scale backbone' in log.read_text()
    assert not drawn(runner)


def test_test_time_augmentation_is_told_of(build_runner):
    runner = build_runner(custom_hooks=[])
    runner.model = SegTTAModel(module=runner.model)
    ScaleMapHook().before_run(runner)
    (log,) = Path(runner.log_dir).glob('*.log')
    assert 'under test-time augmentation' in log.read_text()


def test_a_hook_that_draws_nothing_is_refused():
    with pytest.raises(ValueError, match='at least 1'):
        ScaleMapHook(images=0)

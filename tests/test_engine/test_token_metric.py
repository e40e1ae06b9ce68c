"""Tokens and MACs over evaluated images, exactly."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.evaluator import Evaluator
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from torch.utils.data import Dataset

from msvit.backbones import MSViT
from msvit.engine import TokenMetric
from msvit.gates import BaseGate, GateOutput


class BrightGate(BaseGate):
    """A region is fine where its first pixel is bright."""

    def forward(self, images):
        p_fine = images[:, 0, :: self.coarse_patch_size, :: self.coarse_patch_size].clamp(0, 1)
        return GateOutput(p_fine, p_fine > 0.5)


class Images(Dataset):
    """Images of (height, width) in which the first n regions are bright."""

    def __init__(self, size: tuple[int, int], bright: list[int]):
        self.size, self.bright = size, bright

    def __len__(self) -> int:
        return len(self.bright)

    def __getitem__(self, index: int) -> dict:
        shape = self.size[0] // 16, self.size[1] // 16
        regions = (torch.arange(shape[0] * shape[1]) < self.bright[index]).float().reshape(shape)
        image = regions.repeat_interleave(16, 0).repeat_interleave(16, 1).expand(3, -1, -1)
        meta = dict(img_shape=self.size, ori_shape=self.size, pad_shape=self.size, padding_size=[0] * 4)
        return dict(inputs=image.clone(), data_samples=SegDataSample(metainfo=meta))


def build_runner(work_dir, dataset: Dataset, batch_size: int, test_cfg: dict, gate=None) -> Runner:
    config = dict(
        type='mmseg.EncoderDecoder',
        data_preprocessor=dict(type='mmseg.SegDataPreProcessor'),
        backbone=dict(
            type='msvit.MSViT',
            arch=dict(embed_dim=16, depth=1, num_heads=1, patch_size=8),
            img_size=32,
            coarse_patch_size=16,
            out_type='tokens',
        ),
        decode_head=dict(
            type='msvit.MixedScaleSegmenterHead',
            **dict(in_channels=16, channels=16, num_classes=3, num_layers=1, num_heads=1, embed_dims=16),
        ),
        test_cfg=test_cfg,
    )
    model = MODELS.build(ConfigDict(config))
    model.backbone.gate = gate or BrightGate(16)
    return Runner(
        model=model,
        work_dir=str(work_dir),
        test_dataloader=dict(
            batch_size=batch_size,
            num_workers=0,
            dataset=dataset,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
        ),
        test_cfg=dict(type='TestLoop'),
        test_evaluator=dict(type='msvit.TokenMetric'),
        default_hooks=dict(checkpoint=None),
        default_scope='mmseg',
        log_level='ERROR',
        experiment_name=str(work_dir.name),
    )


def expected_figures(net: MSViT, size: tuple[int, int], fine: list[int]) -> dict[str, float]:
    grid = net.grid(torch.empty(1, 3, *size))
    counts = torch.tensor([grid.num_coarse + 3 * number for number in fine])
    gmacs = net.macs(grid, counts).total / 1e9
    parts = {'count': counts.double(), 'gmacs': gmacs}
    return {
        f'tokens/{name}_{stat}': getattr(values, stat)().item()
        for name, values in parts.items()
        for stat in ('mean', 'min', 'max')
    }


@pytest.mark.parametrize('batch_size', [1, 2, 3, 5])
def test_whole_images(batch_size, tmp_path):
    bright = [0, 1, 4, 6, 3]
    runner = build_runner(tmp_path, Images((32, 48), bright), batch_size, dict(mode='whole'))
    figures = runner.test()
    expected = expected_figures(runner.model.backbone, (32, 48), bright)
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    assert figures['tokens/inputs_per_image'] == 1


@pytest.mark.parametrize('batch_size', [1, 2])
def test_sliding_windows(batch_size, tmp_path):
    """Windows of 2 x 2 regions over 2 x 4, half a window apart: three inputs for each image."""
    bright = [0, 1, 3, 8]
    cfg = dict(mode='slide', crop_size=(32, 32), stride=(16, 16))
    runner = build_runner(tmp_path, Images((32, 64), bright), batch_size, cfg)
    figures = runner.test()
    windows = []
    for number in bright:
        regions = (torch.arange(8) < number).reshape(2, 4)
        windows += [regions[:, x : x + 2].sum().item() for x in range(3)]
    expected = expected_figures(runner.model.backbone, (32, 32), windows)
    assert {name: figures[name] for name in expected} == pytest.approx(expected)
    assert figures['tokens/inputs_per_image'] == 3


def test_a_second_evaluation_begins_anew(tmp_path):
    runner = build_runner(tmp_path, Images((32, 32), [0, 4]), 1, dict(mode='whole'))
    assert runner.test() == runner.test()


def test_another_evaluators_images_are_not_counted(tmp_path):
    other = TokenMetric()
    runner = build_runner(tmp_path, Images((32, 32), [0, 4]), 1, dict(mode='whole'))
    figures = runner.test()
    runner.model.test_step(dict(inputs=[torch.zeros(3, 32, 32)], data_samples=[Images((32, 32), [0])[0]['data_samples']]))
    other.process(None, [None])
    assert len(other.results[0]) == 1
    assert runner.test() == figures


def test_the_figures_of_each_image_are_kept_apart(tiny_msvit):
    """mmengine cuts the results to the number of images, so each image must have one entry."""
    net, metric = tiny_msvit(), TokenMetric()
    masks = torch.zeros(3, 2, 2, dtype=torch.bool)
    masks[1, 0, 0] = masks[2] = True
    for _ in range(2):
        net(torch.zeros(3, 3, 32, 32), fine_mask=masks)
    metric.process(None, [None] * 3)
    assert [entry[:, 0].tolist() for entry in metric.results] == [[4, 4], [7, 7], [16, 16]]


def test_no_mixed_scale_backbone_is_an_error():
    evaluator = Evaluator(TokenMetric())
    evaluator.process([SegDataSample()])
    with pytest.raises(RuntimeError, match='saw no mixed-scale backbone run: drop it from the evaluator'):
        evaluator.evaluate(1)

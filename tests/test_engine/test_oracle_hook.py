"""Regions chosen by the labels of the very image, in training and at test."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from msvit.backbones import TokenTrace
from msvit.engine import OracleHook

SIDE, REGION = 64, 16
TEACHER = dict(type='msvit.LabelTeacher')


class Run:
    """What the hook sees of a runner."""

    def __init__(self, gate=None):
        self.model = MODELS.build(
            dict(
                type='mmseg.EncoderDecoder',
                data_preprocessor=dict(type='mmseg.SegDataPreProcessor', size=(SIDE, SIDE)),
                backbone=dict(
                    type='msvit.MSViT',
                    arch=dict(embed_dim=16, depth=1, num_heads=1, patch_size=8),
                    **dict(img_size=SIDE, coarse_patch_size=REGION, gate=gate, out_type='featmap'),
                ),
                decode_head=dict(
                    type='mmseg.FCNHead', in_channels=16, channels=8, num_convs=1, num_classes=2, norm_cfg=dict(type='BN')
                ),
                test_cfg=ConfigDict(mode='whole'),
            )
        ).eval()
        self.trace = TokenTrace()

    def masks(self) -> torch.Tensor:
        """(B, Hc, Wc) of the passes since the last call."""
        return torch.cat([record.fine_mask for record in self.trace.drain()])


def batch(*mixed: tuple[int, int], scale: int = 1) -> dict:
    """Two images, the given regions of the first of two classes, all others pure; label maps at a multiple of the size."""
    samples = []
    for regions in (mixed, ()):
        labels = torch.zeros(SIDE, SIDE, dtype=torch.long)
        for row, column in regions:
            labels[row * REGION : (row + 1) * REGION, column * REGION : (column + 1) * REGION : 2] = 1
        labels = labels.repeat_interleave(scale, 0).repeat_interleave(scale, 1)
        meta = dict(img_shape=(SIDE, SIDE), ori_shape=labels.shape)
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=labels[None]), metainfo=meta))
    return dict(inputs=[torch.rand(3, SIDE, SIDE) for _ in samples], data_samples=samples)


@pytest.mark.parametrize('scale', [1, 2], ids=['labels as large as the image', 'labels of the file, larger'])
def test_the_regions_that_mix_classes_are_fine_at_test(scale):
    run, hook = Run(), OracleHook(TEACHER, fine_share=3 / 16)
    hook.before_run(run)
    run.model.test_step(batch((0, 1), (2, 3), (3, 0), scale=scale))
    first, second = run.masks()
    assert first.nonzero().tolist() == [[0, 1], [2, 3], [3, 0]]
    assert second.sum() == 3, 'pure regions are drawn by chance, as many'


def test_training_sees_them_too():
    run, hook = Run(), OracleHook(TEACHER, fine_share=1 / 16)
    hook.before_run(run)
    seen = []
    run.model.backbone.register_forward_pre_hook(lambda _, __, kwargs: seen.append(kwargs['fine_mask']), with_kwargs=True)
    data = run.model.data_preprocessor(batch((1, 1)), True)
    run.model(**data, mode='loss')['decode.loss_ce'].backward()
    assert seen[0][0].nonzero().tolist() == [[1, 1]]


def test_chance_decides_among_equals():
    run, hook = Run(), OracleHook(TEACHER, fine_share=0.5)
    hook.before_run(run)
    masks = []
    for seed in range(2):
        torch.manual_seed(seed)
        run.model.test_step(batch())
        masks.append(run.masks())
    assert not torch.equal(*masks)


def test_the_host_is_left_as_it_was():
    run, hook = Run(), OracleHook(TEACHER, fine_share=0.0)
    hook.before_run(run)
    hook.after_run(run)
    run.model.test_step(batch())
    assert run.masks().all()


def test_a_backbone_with_a_gate_is_an_error():
    with pytest.raises(ValueError, match='gate=None'):
        OracleHook(TEACHER, fine_share=0.5).before_run(Run(gate=dict(type='msvit.RadialGate', coarse_patch_size=REGION)))


def test_a_share_out_of_range_is_an_error():
    with pytest.raises(ValueError, match=r'fine_share must lie in \[0, 1\], got 1.5'):
        OracleHook(TEACHER, fine_share=1.5)

"""The backbones in mmseg: its heads and necks on their maps, and its Python interfaces."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

CONFIGS = Path(__file__).parents[2] / 'configs'
CONFIG = 'msseg_mini8_128x128_digit_scenes.py'
WEIGHTS = 'msvit://seg_mini8_digit_scenes.safetensors'
LEARNED = dict(gate=dict(type='msvit.MLPGate', init_p_fine=0.5), train_layout='masked')
VIT = dict(
    type='msvit.MSViT',
    arch=dict(embed_dim=16, depth=4, num_heads=2, patch_size=8),
    img_size=64,
    coarse_patch_size=16,
    out_indices=(0, 1, 2, 3),
    **LEARNED,
)
SWIN = dict(
    type='msvit.MSSwin',
    arch=dict(embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8), window_size=4),
    img_size=64,
    coarse_patch_size=8,
    norm_outputs=True,
    **LEARNED,
)
PYRAMID = [
    dict(type='UPerHead', pool_scales=(1, 2)),
    dict(type='FPNHead', feature_strides=[4, 8, 16, 32]),
    dict(type='SegformerHead'),
]
LAST = [
    dict(type='PSPHead', pool_scales=(1, 2)),
    dict(type='ASPPHead', dilations=(1, 2)),
    dict(type='SETRUPHead', num_convs=2, up_scale=2),
]


def segment(backbone: dict, head: dict, neck: dict | None = None) -> None:
    """A training step and a prediction; every parameter learns, the gate from the task alone."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    head = dict(channels=8, num_classes=3, norm_cfg=dict(type='BN'), **head)
    model = MODELS.build(
        dict(type='EncoderDecoder', backbone=backbone, neck=neck, decode_head=head, test_cfg=ConfigDict(mode='whole'))
    )
    model.init_weights()
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=torch.randint(3, (1, 64, 96))), metainfo=dict(img_shape=(64, 96)))
        for _ in range(2)
    ]
    images = torch.randn(2, 3, 64, 96)
    model.train().loss(images, samples)['decode.loss_ce'].backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert not without
    assert model.backbone.gate.mlp[0].weight.grad.abs().sum() > 0
    prediction = model.eval().predict(images)[0].pred_sem_seg.data
    assert prediction.shape == (1, 64, 96)


@pytest.mark.parametrize('head', PYRAMID, ids=lambda head: head['type'])
def test_pyramids_of_a_swin(head):
    segment(SWIN, dict(head, in_channels=[16, 32, 64, 128], in_index=[0, 1, 2, 3]))


@pytest.mark.parametrize(
    'neck',
    [
        dict(type='Feature2Pyramid', embed_dim=16, rescales=[4, 2, 1, 0.5], norm_cfg=dict(type='BN')),
        dict(type='MultiLevelNeck', in_channels=[16] * 4, out_channels=16, scales=[4, 2, 1, 0.5]),
        dict(type='msvit.SimpleFeaturePyramid', in_channels=16, out_channels=16),
    ],
    ids=lambda neck: neck['type'],
)
@pytest.mark.parametrize('head', PYRAMID[:2], ids=lambda head: head['type'])
def test_necks_make_a_pyramid_of_a_vit(neck, head):
    segment(VIT, dict(head, in_channels=[16] * 4, in_index=[0, 1, 2, 3]), neck)


@pytest.mark.parametrize('head', LAST, ids=lambda head: head['type'])
def test_heads_on_the_last_map_of_a_vit(head):
    segment(VIT, dict(head, in_channels=16, in_index=3))


def test_models_from_a_config_file_and_a_checkpoint(trained, photo):
    config, checkpoint, model = trained(CONFIG)
    read = init_model(config, checkpoint, device='cpu')
    assert read.dataset_meta['classes'][3] == 'class 3'
    of_file = inference_model(read, photo[0]).pred_sem_seg.data
    of_array = inference_model(read, photo[1]).pred_sem_seg.data
    assert of_file.shape == (1, 40, 56) and torch.equal(of_file, of_array)
    images = model.data_preprocessor(dict(inputs=[torch.from_numpy(photo[1].transpose(2, 0, 1).copy())]))['inputs']
    assert torch.equal(of_file, model.predict(images)[0].pred_sem_seg.data)


def test_the_inferencer_takes_files_and_arrays_in_turn(trained, photo):
    config, checkpoint, _ = trained(CONFIG)
    inferencer = MMSegInferencer(config, checkpoint, device='cpu')
    of_array, of_file = (inferencer(image)['predictions'] for image in (photo[1], photo[0]))
    assert np.array_equal(of_array, of_file) and of_file.shape == (40, 56)
    batch = inferencer([*photo], batch_size=2, return_datasamples=True)
    assert all(np.array_equal(sample.pred_sem_seg.data[0], of_file) for sample in batch)
    assert inferencer(photo[0], return_vis=True)['visualization'].shape == (40, 56, 3)


def test_weights_that_ship_with_the_package(photo):
    """They tell no classes: the caller names them."""
    config = str(CONFIGS / 'seg_mini8_128x128_digit_scenes.py')
    with pytest.warns(UserWarning, match='dataset_meta'):
        model = init_model(config, WEIGHTS, device='cpu')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the fork warns once more, the original mmseg does not
        inferencer = MMSegInferencer(config, WEIGHTS, device='cpu')
    labels = inference_model(model, photo[0]).pred_sem_seg.data[0]
    assert np.array_equal(inferencer(photo[0])['predictions'], labels)

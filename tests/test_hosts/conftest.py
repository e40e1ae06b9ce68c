"""Tiny classifiers on mixed-scale ViTs, and batches for them."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS
from mmpretrain.structures import DataSample

SIZES = dict(embed_dim=16, depth=2, num_heads=2, patch_size=8)
CLASSES = 5


def _classifier(arch: dict | None = None, num_classes: int = CLASSES, **backbone) -> dict:
    arch = {**SIZES, **(arch or {})}
    plain = dict(type='msvit.MSViT', arch=arch, img_size=32, coarse_patch_size=16, out_type='cls_token')
    head = dict(type='mmpretrain.LinearClsHead', num_classes=num_classes, in_channels=arch['embed_dim'])
    return dict(backbone={**plain, **backbone}, head=head)


@pytest.fixture(scope='session')
def classifier_config():
    """Makes the config of a classifier of width 16 with 2 blocks, patch 8 and regions of 16 pixels; keywords are the
    backbone's."""
    return _classifier


@pytest.fixture(scope='session')
def distilled(perturb):
    """Makes a DistilledClassifier in training mode; keywords are the student's backbone's, or ``teacher`` and ``options``."""

    def build(teacher: dict | None = None, options: dict | None = None, **backbone) -> torch.nn.Module:
        torch.manual_seed(0)
        teacher = _classifier() if teacher is None else teacher
        student = _classifier(**backbone)
        config = dict(student, type='msvit.DistilledClassifier', teacher=teacher, **(options or {}))
        model = perturb(MODELS.build(ConfigDict(config)))
        if isinstance(teacher, dict) and 'pretrained' not in teacher:
            perturb(model.teacher, seed=1)
        return model.train()

    return build


@pytest.fixture(scope='session')
def batch():
    """Makes normalised images with labels, as `loss` takes them."""

    def make(images: int = 3, size: tuple[int, int] = (32, 32)) -> tuple[torch.Tensor, list[DataSample]]:
        inputs = torch.randn(images, 3, *size, generator=torch.Generator().manual_seed(0))
        return inputs, [DataSample().set_gt_label(i % CLASSES) for i in range(images)]

    return make

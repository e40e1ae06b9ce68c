"""Data sets: ADE20K, CamVid, Clothing Co-Parsing, DigitScenes, and your own with errors that name the file."""
# ruff: noqa: E402

from ..compat import drop_debug_prints

drop_debug_prints()

from .augmentation import PhotoMetricDistortion, RandomCrop
from .classification import DigitLabelsDataset, ImageFolderDataset, ImageNetDataset, ImageNetSamplesDataset
from .clear_errors import SegDataset
from .digit_boxes import build_digit_boxes_dataset
from .digit_instances import build_digit_instances
from .digit_scenes import build_digit_scenes
from .seeding import ResumableEpochSampler, ResumableSampler, SeedSample
from .segmentation import ADE20KDataset, CamVidDataset, CCPDataset, DigitScenesDataset
from .unlabelled import UnlabelledImages

__all__ = [
    'ADE20KDataset',
    'CCPDataset',
    'CamVidDataset',
    'DigitLabelsDataset',
    'DigitScenesDataset',
    'ImageFolderDataset',
    'ImageNetDataset',
    'ImageNetSamplesDataset',
    'PhotoMetricDistortion',
    'RandomCrop',
    'ResumableEpochSampler',
    'ResumableSampler',
    'SeedSample',
    'SegDataset',
    'UnlabelledImages',
    'build_digit_boxes_dataset',
    'build_digit_instances',
    'build_digit_scenes',
]

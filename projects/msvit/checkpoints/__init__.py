"""Weights in and out: timm, DeiT, DINOv2, Swin, mmpretrain, mmseg, Segmenter and msvit, read without running code."""

from .errors import CheckpointError
from .gate import load_gate, read_gate_normalization, save_gate
from .heads import load_classifier, load_segmenter_head, to_mmpretrain_classifier, to_mmseg_segmenter_head
from .io import read_checkpoint, read_dataset_meta
from .positions import fit_positions, fit_square_positions, resize_pos_embed
from .report import LoadReport
from .save import save_weights
from .swin import load_swin
from .swin_names import detect_swin_origin, to_timm_swin
from .vit import load_vit
from .vit_names import detect_origin, to_timm_vit

__all__ = [
    'CheckpointError',
    'LoadReport',
    'detect_origin',
    'detect_swin_origin',
    'fit_positions',
    'fit_square_positions',
    'load_classifier',
    'load_gate',
    'load_segmenter_head',
    'load_swin',
    'load_vit',
    'read_checkpoint',
    'read_dataset_meta',
    'read_gate_normalization',
    'resize_pos_embed',
    'save_gate',
    'save_weights',
    'to_mmpretrain_classifier',
    'to_mmseg_segmenter_head',
    'to_timm_swin',
    'to_timm_vit',
]

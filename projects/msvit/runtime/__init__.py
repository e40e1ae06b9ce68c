"""Exported models in ONNX Runtime: numpy and onnxruntime alone, no torch, no OpenMMLab."""

from .info import ModelInfo
from .model import OnnxModel, Prediction

__all__ = ['ModelInfo', 'OnnxModel', 'Prediction']

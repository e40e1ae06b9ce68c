"""Models out of Python: ONNX files whose number of tokens is that which each image needs."""

from .answering import answer_by_file
from .checking import Agreement, compare_with_torch
from .errors import ExportError
from .info import describe_model
from .onnx_file import write_onnx
from .program import RuntimeModel
from .quantizing import quantize_onnx

__all__ = [
    'Agreement',
    'ExportError',
    'RuntimeModel',
    'answer_by_file',
    'compare_with_torch',
    'describe_model',
    'quantize_onnx',
    'write_onnx',
]

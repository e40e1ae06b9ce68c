"""Writing ONNX files."""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from ..analysis.model import AnalysedModel
from ..runtime.info import ModelInfo
from .errors import ExportError
from .program import OUTPUTS, RuntimeModel

OPSET = 20  # the first with GELU
OPSETS = range(18, 24)
_SIZES = ('batch', 'channels', 'height', 'width')  # of images
MAX_BYTES = 2**31  # of a file of protocol buffers


def write_onnx(model: AnalysedModel, info: ModelInfo, path: Path, opset: int = OPSET) -> None:
    """Export a model to an ONNX file whose images have any size and as many tokens as each needs.

    Args:
        model: on the CPU.
        info: what the graph is to be, see `describe_model`; goes into the file.
        path: of the file.
        opset: of ONNX, in 18..23.

    Raises:
        ImportError: onnx or onnxscript is not installed.
        ExportError: a part of the model cannot be exported, or the file would be larger than 2 GiB.
    """
    require_onnx()
    program = RuntimeModel(model, info)
    size = sum(value.numel() * value.element_size() for value in program.state_dict().values())
    if size > MAX_BYTES - 2**24:
        raise ExportError(f'the weights take {size / 2**30:.1f} GiB and one ONNX file holds 2: export a smaller model')
    recorded = record_program(program, info)
    with _quietly():
        onnx = torch.onnx.export(
            recorded,
            dynamo=True,
            opset_version=opset,
            input_names=_input_names(info),
            output_names=list(OUTPUTS),
            custom_translation_table={torch.ops.aten.sort.stable: _stable_sort()},
            verbose=False,
        )
    assert onnx is not None  # so it is only without dynamo
    graph = onnx.model
    _name_sizes(graph.graph)
    for node in graph.graph:
        node.metadata_props.clear()  # the exporter notes lines of this machine's files
    graph.producer_name = 'msvit'
    graph.metadata_props.clear()
    graph.metadata_props.update(info.to_metadata())
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(str(path), external_data=False)


def record_program(program: RuntimeModel, info: ModelInfo) -> torch.export.ExportedProgram:
    """`torch.export` of a model, of any size of images.

    Args:
        program: the model.
        info: of the graph.

    Raises:
        ExportError: a part of the model cannot be recorded; says which.
    """
    inputs, shapes = _example(program, info)
    with _naming_the_part(program.model), _quietly():
        return torch.export.export(program, inputs, dynamic_shapes=shapes, strict=False)


def require_onnx() -> None:
    """Raise ImportError, saying what to install, unless the exporter's packages are there."""
    if not hasattr(torch.compiler, 'is_exporting'):
        raise ImportError(f'ONNX files are written by torch 2.7 or later; this is torch {torch.__version__}')
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{error.name} is not installed: pip install 'msvit[onnx]'") from error


def _input_names(info: ModelInfo) -> list[str]:
    return ['images'] if info.threshold is None else ['images', 'threshold', 'budget']


def _example(program: RuntimeModel, info: ModelInfo) -> tuple[tuple[Tensor, ...], tuple]:
    """An example of the inputs, of odd sizes that nothing could be specialised to, and which of them are free."""
    height, width = (3 * side // 2 + 3 for side in info.image_size)
    images = torch.rand(2 if info.any_batch else 1, 3, height, width).to(program.mean.device)
    free = {2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    if info.any_batch:
        free[0] = Dim.DYNAMIC
    if info.threshold is None:
        return (images,), (free,)
    return (images, torch.tensor(0.5), torch.tensor(1)), (free, None, None)


def _name_sizes(graph: Any) -> None:
    """Call the free sizes of the images what they are: the exporter numbers them."""
    free = {
        str(size.value): name for size, name in zip(graph.inputs[0].shape, _SIZES, strict=True) if not isinstance(size, int)
    }
    pattern = re.compile(rf'\b({"|".join(free)})\b')
    values = [*graph.inputs, *(value for node in graph for value in node.outputs)]
    for value in values:
        for axis, size in enumerate(value.shape or ()):
            if not isinstance(size, int) and size.value is not None:
                value.shape[axis] = pattern.sub(lambda match: free[match[0]], str(size.value))


@contextmanager
def _naming_the_part(model: nn.Module) -> Iterator[None]:
    """Turn whatever goes wrong within into an error that names the innermost part of the model that was at work."""
    at_work: list[str] = []
    hooks = []
    for name, part in model.named_modules():
        called = f'{name or "the model"}, a {type(part).__name__},'
        hooks.append(part.register_forward_pre_hook(lambda *_, called=called: at_work.append(called)))
        hooks.append(part.register_forward_hook(lambda *_: at_work.pop() and None))
    try:
        yield
    except ExportError:
        raise
    except Exception as error:  # torch raises nearly anything here
        part = at_work[-1] if at_work else f'the model, a {type(model).__name__},'
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ExportError(
            f'{part} cannot be exported: {reason[0]}. Exchange this part, or export the backbone alone with torch.export'
        ) from error
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's notes on itself."""
    loggers = [logging.getLogger(name) for name in ('torch.fx', 'torch.onnx', 'torch.export', 'onnxscript', 'onnx_ir')]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _stable_sort():
    """ONNX's TopK puts the first of equals first, as a stable sort does; torch's exporter does not know the latter."""
    from onnxscript import opset18

    op: Any = opset18  # its types are those of values, and a translation handles symbols

    def sort(self, stable: bool = True, dim: int = -1, descending: bool = False):
        size = op.Gather(op.Shape(self), op.Constant(value_ints=[dim]))
        return op.TopK(self, size, axis=dim, largest=int(descending), sorted=1)

    return sort

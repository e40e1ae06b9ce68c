"""Exported files in 8 bits, by ONNX Runtime's own quantiser."""

from dataclasses import replace
from pathlib import Path

from ..runtime.info import ModelInfo
from .errors import ExportError

# Output of the graph that no weight in 8 bits may reach, so that decisions stay.
_DECISION = 'p_fine'


def quantize_onnx(path: Path, quantized: Path) -> None:
    """Write an exported file anew with 8-bit weights: linear layers whose inputs are quantised at each call.

    The gate stays as it is, so that no decision changes, and so do patch and position embeddings.

    Args:
        path: of a float32 file of `write_onnx`.
        quantized: of the new one.

    Raises:
        ExportError: the graph holds no linear layer to quantise.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(path).graph
    layers = [node.name for node in graph.node if node.op_type in ('MatMul', 'Gemm')]
    kept = _before(graph, _DECISION) | _embeddings(graph)
    if not set(layers) - kept:
        raise ExportError('the graph holds no linear layer beside those of gate and embedding: nothing to quantise')
    quantize_dynamic(
        path,
        quantized,
        op_types_to_quantize=['MatMul', 'Gemm'],
        nodes_to_exclude=[name for name in layers if name in kept],
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    model = onnx.load(quantized)
    info = ModelInfo.from_metadata({entry.key: entry.value for entry in model.metadata_props}, str(quantized))
    entries = replace(info, weights='int8').to_metadata()
    for entry in model.metadata_props:
        entry.value = entries.get(entry.key, entry.value)
    onnx.save(model, quantized)


def _before(graph, output: str) -> set[str]:
    """The names of all nodes that an output depends on."""
    makers = {name: node for node in graph.node for name in node.output}
    waiting, found = [output], set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            waiting += node.input
    return found


def _embeddings(graph) -> set[str]:
    """The nodes that embed patches and resize position embeddings: those before the first LayerNormalization or attention."""
    first = next((node for node in graph.node if node.op_type in ('LayerNormalization', 'Attention')), None)
    return set() if first is None else _before(graph, first.input[0])

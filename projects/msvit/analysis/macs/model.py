"""MACs of a whole model: its backbone by parts, and the neck and head that follow."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ...backbones import TokenTrace
from ..model import AnalysedModel


class ModelMacs(NamedTuple):
    """Multiply-accumulates of one network input, in 1e9.

    Args:
        tokens: of the backbone, without prefix tokens.
        gate: deciding the scale of every region.
        embedding: the patch embedding of present tokens.
        blocks: the transformer blocks, linear layers and attention.
        head: everything after the backbone, without resizing of class scores.
        backbone: gate, embedding and blocks.
        total: backbone and head.
    """

    tokens: int
    gate: float
    embedding: float
    blocks: float
    head: float
    backbone: float
    total: float


PARTS = ('gate', 'embedding', 'blocks', 'head')
COLUMNS = ('gate', 'embedding', 'blocks', 'backbone', 'head', 'total')


@torch.inference_mode()
def model_macs(model: AnalysedModel, inputs: Tensor) -> ModelMacs:
    """Count one network input, on which the model runs once (no sliding windows).

    Args:
        model: also within `all_fine`, for the dense model of its weights, or `overruled`, for given decisions.
        inputs: (1, 3, H, W), normalised.
    """
    trace = TokenTrace()
    with FlopCounterMode(display=False) as counter:
        model.forward(inputs)
    (run,) = trace.drain()
    counts = counter.get_flop_counts()
    (name,) = (name for name in counts if name.endswith('.backbone'))
    head = (sum(counts['Global'].values()) - sum(counts[name].values())) / 2 / 1e9
    gate, embedding, blocks = (float(part.sum()) / 1e9 for part in run.macs())
    backbone = gate + embedding + blocks
    return ModelMacs(int(run.counts.sum()), gate, embedding, blocks, head, backbone, backbone + head)

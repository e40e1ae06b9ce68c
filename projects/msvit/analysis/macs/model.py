"""MACs of a whole model: its backbone by parts, and the neck and head that follow."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ...backbones import TokenTrace
from ..model import AnalysedModel


@dataclass(frozen=True)
class ModelMacs:
    """Multiply-accumulates of one network input, in 1e9.

    Args:
        tokens: of the backbone, without prefix tokens.
        gate: deciding the scale of every region.
        embedding: the patch embedding of present tokens.
        blocks: the transformer blocks, linear layers and attention.
        head: everything after the backbone, without resizing of class scores.
    """

    tokens: int
    gate: float
    embedding: float
    blocks: float
    head: float

    @property
    def backbone(self) -> float:
        return self.gate + self.embedding + self.blocks

    @property
    def total(self) -> float:
        return self.backbone + self.head


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
    macs = run.macs()
    counts = counter.get_flop_counts()
    (name,) = (name for name in counts if name.endswith('.backbone'))
    after = sum(counts['Global'].values()) - sum(counts[name].values())
    parts = (float(part.sum()) / 1e9 for part in macs)
    return ModelMacs(int(run.counts.sum()), *parts, after / 2 / 1e9)

"""Time against tokens: Figure 10, and the latencies of Tables 3 and 4."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ...backbones import MSViT
from ..decisions import mask_of_tokens, native_inputs
from ..model import AnalysedModel, all_fine, overruled
from ..spread import Spread
from .timing import interleaved_times

COUNTS = 6  # of tokens, by default


@dataclass(frozen=True)
class TokenLatency:
    """Time of a batch at one number of tokens.

    Args:
        batch: images in it.
        tokens: of each image, without prefix tokens.
        seconds: for the batch, by what ran: ``blocks`` (the transformer's, which a Swin has not apart from its embedding),
            ``backbone`` (with gate and embedding), ``model`` (with its head); a spread over the rounds.
    """

    batch: int
    tokens: int
    seconds: dict[str, Spread]

    def ms(self, part: str, figure: str = 'median') -> float:
        """A figure of the spread, in milliseconds per image."""
        return 1000 * getattr(self.seconds[part], figure) / self.batch

    def faster(self, part: str, dense: 'TokenLatency') -> float:
        """Tell how many times faster than the dense model of the same batch size, by the medians."""
        return dense.ms(part) / self.ms(part)


def spaced_tokens(model: AnalysedModel) -> list[int]:
    """Token counts of the config's own input, evenly spaced from every region coarse to every region fine."""
    grid = model.backbone.grid(native_inputs(model))
    return np.linspace(grid.num_coarse, grid.num_fine, COUNTS).round().astype(int).tolist()


@torch.inference_mode()
def time_tokens(
    model: AnalysedModel, tokens: Sequence[int], batch_sizes: Sequence[int] = (1,), rounds: int = 20, seed: int = 0
) -> list[tuple[TokenLatency, list[TokenLatency]]]:
    """Time a model on noise of its config's input size under random decisions, all runs in turns.

    The gate runs, but does not decide. Dense is the same model with every region fine and no gate.

    Args:
        model: in the precision to time.
        tokens: of each image; a count that there is not becomes the next one that there is.
        batch_sizes: images of a batch.
        rounds: timed calls of each, >= 1.
        seed: of noise and decisions.

    Returns:
        For each batch size the dense model's time, and that at each number of tokens.

    Raises:
        ValueError: such a number of tokens is not to be had.
    """
    backbone, runs, counts = model.backbone, {}, {}
    for batch in batch_sizes:
        images = in_precision(model, native_inputs(model, batch, seed))
        masks = [mask_of_tokens(backbone, images, count, seed) for count in tokens]
        contexts = [partial(all_fine, backbone), *(partial(overruled, backbone, mask) for mask in masks)]
        for number, context in enumerate(contexts):
            counts[batch, number] = token_count(model, images, context)
            runs |= {(batch, number, part): run for part, run in _parts(model, images, context).items()}
    times = interleaved_times(runs, rounds, warm_up=2)
    spreads: dict[tuple[int, int], dict[str, Spread]] = {key: {} for key in counts}
    for (batch, number, part), seconds in times.items():
        spreads[batch, number][part] = Spread.of(seconds)
    points = {key: TokenLatency(key[0], counts[key], seconds) for key, seconds in spreads.items()}
    return [(points[batch, 0], [points[batch, number + 1] for number in range(len(tokens))]) for batch in batch_sizes]


def set_precision(model: AnalysedModel, dtype: torch.dtype) -> None:
    """Cast a model's weights; images are still normalised in single precision."""
    for name, part in model.model.named_children():
        if name != 'data_preprocessor':
            part.to(dtype)


def in_precision(model: AnalysedModel, inputs: Tensor) -> Tensor:
    """Inputs in the precision of a model's weights."""
    return inputs.to(model.backbone.patch_embed.proj.weight.dtype)


def token_count(model: AnalysedModel, inputs: Tensor, context: Callable[[], AbstractContextManager[nn.Module]]) -> int:
    """Tokens of the first image in a context such as `all_fine`, without prefix tokens."""
    with context():
        mask = model.backbone.decide(inputs).fine_mask
    return int(model.backbone.grid(inputs).active(mask)[0].sum())


def _parts(
    model: AnalysedModel, images: Tensor, context: Callable[[], AbstractContextManager[nn.Module]]
) -> dict[str, Callable[[], object]]:
    """Tell what to time, by name, the decisions of a context in force."""

    def within(part: Callable[[Tensor], object]) -> Callable[[], object]:
        def run() -> object:
            with context():
                return part(images)

        return run

    backbone, blocks = model.backbone, {}
    if isinstance(backbone, MSViT):
        blocks['blocks'] = partial(backbone.encode, within(backbone.tokenize)())
    return {**blocks, 'backbone': within(backbone), 'model': within(model.forward)}

"""The forward pass of a mixed-scale ViT as two CUDA graphs: what comes before the number of tokens is known, and the rest."""

from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..graphs import Graphs
from ..tokens import MixedTokens, TokenGrid, TokenIndex, presence_order, trimmed_index
from .trace import Decided, record

if TYPE_CHECKING:
    from .ms_vit import MSViT


class Replay:
    """Runs `MSViT` on batches that are padded to one number of tokens.

    Keys of padding weigh nothing, so the features are those without padding.

    Args:
        bucket: see `MSViT.capture_graphs`.
    """

    def __init__(self, bucket: int = 32):
        if bucket < 1:
            raise ValueError(f'bucket must be at least 1 token, got {bucket}')
        self.bucket = bucket
        self.graphs = Graphs()

    def __call__(self, net: 'MSViT', images: Tensor, fine_mask: Tensor | None = None) -> tuple[Any, ...]:
        """Give what the net's forward pass does, tokens in the trimmed layout; arguments as there."""
        grid, place = net.grid(images), net.pos_embed.data_ptr()  # another place: other weights
        *laid_out, order, position, sums = self._lay_out(net, grid, place, images, fine_mask)
        counts = sums.tolist()  # the one wait for the GPU
        length = self._length(counts, grid, has_budget=getattr(net.gate, 'budget', None) is not None)
        full = min(counts) == length
        if net.out_type == 'tokens':  # copied now: the second graph may write where the first left them
            copies = (tensor.clone() for tensor in (*laid_out[1:], order[:, :length], position))
            index = trimmed_index(grid, net.num_prefix_tokens, counts, *copies)
        else:
            index = Decided(grid, sums.clone(), laid_out[1].clone())
        record(net, index)
        key = (grid, place, length, full, net.out_type, net.out_indices)
        outputs = self.graphs(key, partial(_features, net, grid, length, full), *laid_out, order, position)
        outputs = tuple(output.clone() for output in outputs)
        if isinstance(index, TokenIndex):
            return tuple(MixedTokens(output, index) for output in outputs)
        return (outputs,) if net.out_type == 'cls_token' and len(outputs) > 1 else outputs

    def _length(self, counts: list[int], grid: TokenGrid, has_budget: bool) -> int:
        """Tokens that the images are padded to; a mask for the padding makes attention slower."""
        longest = max(counts)
        if min(counts) == longest and (has_budget or len(counts) > 1):  # no accident: later batches will have as many
            return longest
        return min(-(-longest // self.bucket) * self.bucket, grid.num_fine)

    def _lay_out(
        self, net: 'MSViT', grid: TokenGrid, place: int, images: Tensor, fine_mask: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Images, decisions, candidates that are tokens, and of these what `presence_order` tells."""
        settings = () if net.gate is None else net.gate.replay_key()
        if fine_mask is None and settings is not None:
            return self.graphs((grid, place, net.gate, settings), partial(_decide, net, grid), images)
        return self.graphs((grid, 'decided'), partial(_order, grid), images, net.decide(images, fine_mask).fine_mask)


def _decide(net: 'MSViT', grid: TokenGrid, images: Tensor) -> tuple[Tensor, ...]:
    return _order(grid, images, net.decide(images).fine_mask)


def _order(grid: TokenGrid, images: Tensor, fine_mask: Tensor) -> tuple[Tensor, ...]:
    active = grid.active(fine_mask)
    counts, order, position = presence_order(active)
    return images, fine_mask, active, order, position, counts


def _features(net: 'MSViT', grid: TokenGrid, length: int, full: bool, *laid_out: Tensor) -> tuple[Tensor, ...]:
    images, fine_mask, active, order, position = laid_out
    counts = [length] * len(images) if full else None
    index = trimmed_index(grid, net.num_prefix_tokens, counts, fine_mask, active, order[:, :length], position)
    outputs = net.encode_all(net.embed(images, index))
    if net.out_type == 'tokens':
        return tuple(tokens.x for tokens in outputs)
    features = net.features(outputs)
    return features[0] if isinstance(features[0], tuple) else features

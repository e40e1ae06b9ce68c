"""Segmenter's mask transformer on mixed-scale tokens, without replicating them first."""

from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from os import PathLike
from typing import Any, Protocol, cast

import mmcv.cnn
import torch
import torch.nn.functional as F
from mmengine.model import initialize
from mmseg.models.decode_heads import SegmenterMaskTransformerHead
from torch import Tensor, nn

from ..attention import KeyBias, attend, key_bias
from ..checkpoints.pretrained import pretrained_init
from ..drop_path import drop_images, drop_path_rates
from ..graphs import ReplayedOnTokens
from ..linear import Linear, adopt_linears, linear, linear_gelu
from ..parts import class_name
from ..tokens import MixedTokens, TokenIndex


class MixedScaleSegmenterHead(ReplayedOnTokens, SegmenterMaskTransformerHead):
    """mmseg's ``SegmenterMaskTransformerHead``, with the same parameters, on the unreplicated tokens.

    Replicated tokens are equal inputs, and a transformer without position embeddings maps equal inputs to equal outputs. So
    decoding the replicated map (section E.1) equals decoding the tokens as they are, each coarse key counted once for
    every cell that it stands for, and replicating the class scores.

    Args:
        drop_path_rate: stochastic depth of the last layer, in [0, 1).
        attn_drop_rate: must be 0, as in Segmenter.
        pretrained: None, or a checkpoint of a whole Segmenter (official, mmseg's, msvit's) that the head begins with.
        **kwargs: of ``SegmenterMaskTransformerHead``.

    Raises:
        ValueError: ``attn_drop_rate`` is not 0, or ``drop_path_rate`` not in [0, 1).
        CheckpointError: when the model's weights are initialised: the checkpoint holds no mask transformer of these shapes.
    """

    def __init__(
        self,
        *,
        drop_path_rate: float = 0.1,
        attn_drop_rate: float = 0.0,
        pretrained: str | PathLike | None = None,
        **kwargs: Any,
    ):
        if isinstance(attn_drop_rate, bool) or not isinstance(attn_drop_rate, Real) or attn_drop_rate != 0:
            raise ValueError(f'MixedScaleSegmenterHead has no attention dropout: set attn_drop_rate=0, got {attn_drop_rate!r}')
        super().__init__(drop_path_rate=0.0, **{**kwargs, **pretrained_init(pretrained)})
        self.drop_path_rates = drop_path_rates(drop_path_rate, len(self.layers))
        for layer in cast('Iterable[_Layer]', self.layers):
            _fuse_gelu(layer.ffn.layers)
        adopt_linears(self, kinds=(nn.Linear, mmcv.cnn.Linear))

    def init_weights(self) -> None:
        """Draw or load the weights; OpenMMLab's runner calls this, and ``load_from`` and ``--resume`` come after it."""
        super().init_weights()
        if isinstance(self.init_cfg, dict) and class_name(self.init_cfg) == 'Pretrained':  # mmseg's head heeds no init_cfg
            initialize(self, self.init_cfg)

    def forward(self, inputs: Sequence[MixedTokens]) -> Tensor:
        """Class scores of every fine cell.

        Args:
            inputs: what ``MSViT(out_type='tokens')`` returns.

        Returns:
            (B, num_classes, Hf, Wf).

        Raises:
            TypeError: the input is no `MixedTokens`.
        """
        mixed = inputs[self.in_index]
        if not isinstance(mixed, MixedTokens):
            raise TypeError(
                f"this head takes MixedTokens, got {type(mixed).__name__}: set out_type='tokens' in the backbone, "
                "or use mmseg's SegmenterMaskTransformerHead on feature maps"
            )
        return self._replayed(self._decode, mixed)

    def _decode(self, mixed: MixedTokens) -> Tensor:
        index = mixed.index.behind(self.num_classes)
        x = index.memory.assemble(self.cls_emb[0], self.dec_proj(mixed.tokens()))
        where = key_bias(index, x.dtype)
        for layer, rate in zip(cast('Iterable[_Layer]', self.layers), self.drop_path_rates, strict=True):
            x = _run_layer(layer, x, where, rate if self.training else 0)
        classes, tokens = index.memory.split(self.decoder_norm(x))
        tokens = F.normalize(self.patch_proj(tokens), dim=-1)
        classes = F.normalize(self.classes_proj(classes), dim=-1)
        cells = index.cell_tokens(self.mask_norm(_score(tokens, classes, index)))
        return cells.transpose(1, 2).reshape(cells.shape[0], self.num_classes, *index.grid.fine_shape)


class _Attention(Protocol):
    """What of mmcv's ``MultiheadAttention`` is used."""

    attn: nn.MultiheadAttention
    proj_drop: nn.Module
    dropout_layer: nn.Module


class _Ffn(Protocol):
    """What of mmcv's ``FFN`` is used."""

    layers: nn.Sequential
    __call__: Callable[..., Tensor]


class _Layer(Protocol):
    """What of mmseg's ``TransformerEncoderLayer`` is used."""

    norm1: nn.Module
    norm2: nn.Module
    attn: _Attention
    ffn: _Ffn


class _GeluLayer(nn.Sequential):
    """mmcv's linear layer, GELU and dropout, the first two in one pass."""

    def forward(self, x: Tensor) -> Tensor:
        expand, _, drop = self
        if type(expand) is not Linear:  # adapted or quantised since
            return super().forward(x)
        return drop(linear_gelu(x, expand.weight, expand.bias))


def _fuse_gelu(layers: nn.Sequential) -> None:
    for i, layer in enumerate(layers):
        if isinstance(layer, nn.Sequential) and isinstance(layer[1], nn.GELU):
            layers[i] = _GeluLayer(*layer)


def _run_layer(layer: _Layer, x: Tensor, index: TokenIndex | KeyBias | None, drop_path_rate: float) -> Tensor:
    """Run a layer on tokens in any layout; some images skip its FFN."""
    attention = layer.attn.attn
    qkv = linear(layer.norm1(x), attention.in_proj_weight, attention.in_proj_bias)
    qkv = qkv.unflatten(-1, (3, attention.num_heads, -1))
    y = linear(attend(qkv, index).flatten(2), attention.out_proj.weight, attention.out_proj.bias)
    x = x + layer.attn.dropout_layer(layer.attn.proj_drop(y))
    if not drop_path_rate:
        return layer.ffn(layer.norm2(x), identity=x)
    return x + drop_images(layer.ffn(layer.norm2(x), identity=0), drop_path_rate, None if index is None else index.segments)


def _score(tokens: Tensor, classes: Tensor, index: TokenIndex) -> Tensor:
    """Cosine of each token with the class embeddings of its image, in the layout of the tokens."""
    if index.segments is None or index.batch_size == 1:
        return tokens @ classes.transpose(1, 2)
    lengths = [length - index.num_prefix for length in index.segments.lengths]
    if len(set(lengths)) == 1:  # one product instead of one for each image
        return (tokens.unflatten(1, (len(lengths), -1)).squeeze(0) @ classes.mT).flatten(0, 1).unsqueeze(0)
    images = tokens[0].split(lengths)
    return torch.cat([image @ own.T for image, own in zip(images, classes, strict=True)]).unsqueeze(0)

"""Backbones of several kinds on the same weights."""

from collections.abc import Sequence
from inspect import signature
from typing import Any, NamedTuple, TypeVar, cast

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ...backbones import MSDyViT, MSEViT, MSViT
from ...backbones.timm_vit import build_timm_vit
from ...linear import adopt_linears
from ...tokens import MixedTokens
from ..model import AnalysedModel
from .tome import ToMe

_OF_GATE = ('gate.', 'gate_loss.')
_PREDICTOR = 'score_predictor.'
_SETTINGS = ('arch', 'img_size', 'coarse_patch_size', 'pos_embed_mode')
_Host = TypeVar('_Host', bound=MSViT)


class HostWeights:
    """The weights of a trained ViT, put into backbones that drop tokens in different ways.

    Args:
        model: with an `MSViT` of any kind; its gate is not used, its head classifies.

    Raises:
        TypeError: its backbone is no ViT.
    """

    def __init__(self, model: AnalysedModel):
        backbone = model.backbone
        if not isinstance(backbone, MSViT):
            raise TypeError(
                f'token merging and pruning need the one token sequence of a ViT: the model has a {type(backbone).__name__}, '
                'give one with MSViT, MSDeiT, MSEViT or MSDyViT'
            )
        self.model, self.backbone = model, backbone
        defaults = {name: one.default for name, one in signature(type(backbone)).parameters.items() if name in _SETTINGS}
        given = model.cfg.model.backbone
        self._settings = {**defaults, **{name: given[name] for name in _SETTINGS if name in given}}
        self._state = {name: value for name, value in backbone.state_dict().items() if not name.startswith(_OF_GATE)}

    @property
    def classifies(self) -> bool:
        """Whether a class comes from the class token alone."""
        return not self.model.segments and self.backbone.out_type == 'cls_token'

    @property
    def compares_class_token(self) -> bool:
        """Whether drift is that of the class token; a segmentor does not use its own."""
        return not self.model.segments and self.backbone.cls_token is not None

    def vit(self, gate: nn.Module | None = None) -> MSViT:
        """The mixed-scale ViT of a gate; without one the dense ViT.

        Raises:
            ValueError: the gate is for regions of another size.
        """
        if gate is None:
            return self._host(MSViT, layout='trimmed')
        return self._host(MSViT, layout=self.backbone.layout, gate=gate)

    def plain(self) -> VisionTransformer:
        """timm's ViT, to merge tokens in."""
        vit = build_timm_vit(self._settings['arch'], self.backbone.patch_embed.img_size)
        vit.load_state_dict(
            {name: value for name, value in self._state.items() if not name.startswith(_PREDICTOR)}, assign=True
        )
        adopt_linears(vit)  # the comparison is of tokens, not of matrix libraries
        return vit.to(self.model.device).eval()

    def pruning(self) -> dict[str, MSEViT | MSDyViT]:
        """EViT, and DynamicViT where the weights hold score predictors; none without a class token."""
        if self.backbone.cls_token is None:
            return {}
        prune_at = getattr(self.backbone, 'prune_at', None) or _quarters(len(self.backbone.blocks))
        nets: dict[str, MSEViT | MSDyViT] = {'EViT': self._host(MSEViT, prune_at=prune_at, layout='trimmed')}
        if self.has_predictors:
            nets['DynamicViT'] = self._host(MSDyViT, prune_at=prune_at, layout='trimmed')
        return nets

    @property
    def has_predictors(self) -> bool:
        """Whether the weights hold the score predictors that DynamicViT trains."""
        return isinstance(self.backbone, MSDyViT)

    def classes(self, features: 'Features') -> Tensor:
        """The classes (B,) of a classifier."""
        prefix = features.prefix
        token = prefix[:, 0] if self.backbone.dist_token is None else prefix[:, :2].unbind(dim=1)
        return cast(nn.Module, self.model.model.head)((token,)).argmax(dim=1)

    def _host(self, kind: type[_Host], **options: Any) -> _Host:
        net = kind(**self._settings, out_type='tokens', **options)
        own = net.state_dict()  # a gate has its weights already
        shared = {name: value for name, value in self._state.items() if name in own}
        net.load_state_dict({**own, **shared}, assign=True)  # all kinds on the same memory
        return net.to(self.model.device).eval()


class Features(NamedTuple):
    """What a backbone makes of images.

    Args:
        prefix: (B, P, C) class, distillation and register tokens.
        mean: (B, C) of all patch tokens that are left, each counted once for every fine cell that it stands for.
    """

    prefix: Tensor
    mean: Tensor

    @classmethod
    def of(cls, output: 'tuple[MixedTokens, ...] | Merged') -> 'Features':
        """From what a backbone returns."""
        if isinstance(output, Merged):
            prefix, tokens = output.tokens.tensor_split((output.num_prefix,), dim=1)
            weight = output.sizes[:, output.num_prefix :]
        else:
            mixed = output[-1]
            prefix, tokens = mixed.prefix(), mixed.index.memory.scatter(mixed.tokens())
            weight = mixed.index.active * mixed.index.grid.cells_per_token(tokens.device)
        weight = weight / weight.sum(dim=1, keepdim=True)
        return cls(prefix, torch.einsum('bn,bnc->bc', weight.to(tokens.dtype), tokens))


class Merged(NamedTuple):
    """Merged tokens.

    Args:
        tokens: (B, N, C), prefix tokens first.
        sizes: (B, N) patches that each stands for.
        num_prefix: prefix tokens.
    """

    tokens: Tensor
    sizes: Tensor
    num_prefix: int


class MergingViT(nn.Module):
    """Token merging on the embedding of a dense `MSViT`, for images of any size.

    Args:
        dense: without a gate, all images of a batch in one tensor (layout ``'trimmed'``).
        tome: on the same weights.
    """

    def __init__(self, dense: MSViT, tome: ToMe):
        super().__init__()
        self.dense, self.tome = dense, tome

    def forward(self, images: Tensor) -> Merged:
        tokens, sizes = self.tome.encode(self.dense.tokenize(images).x)
        return Merged(tokens, sizes, self.dense.num_prefix_tokens)


def _quarters(depth: int) -> Sequence[int]:
    """The blocks after a quarter, a half and three quarters of the others: EViT's and DynamicViT's 3, 6, 9 of 12."""
    return sorted({depth * quarter // 4 for quarter in (1, 2, 3)})

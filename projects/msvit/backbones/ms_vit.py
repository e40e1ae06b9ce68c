"""MSViT: a Vision Transformer on mixed-scale tokens."""

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import Any, Literal, cast

import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..attention import key_bias
from ..checkpoints import fit_square_positions, load_vit
from ..checks import check_choice, check_flag, check_init_cfg, check_pretrained, check_sides, is_count, is_indices
from ..drop_path import drop_path_rates
from ..graphs import can_replay
from ..linear import adopt_linears, embed_patches
from ..tokens import LAYOUTS, Layout, MixedTokens, TokenGrid, TokenIndex, build_index, position_table
from .block import Blocks, MixedScaleBlock
from .gated import GatedBackbone
from .hub import SharedModel
from .macs import Macs, attention_macs, linear_macs
from .replay import Replay
from .timm_vit import build_timm_vit

# Parameters that a plain ViT lacks.
_BEYOND_VIT = ('gate.', 'gate_loss.', 'score_predictor.')

OutType = Literal['cls_token', 'featmap', 'tokens']


class MSViT(GatedBackbone, SharedModel):
    """A timm Vision Transformer whose tokens have two scales, chosen for each region of the image by a gate.

    The parameters carry timm's names, beside them stand ``gate`` and ``gate_loss``. With every region fine this is the
    plain ViT.

    =============  ========================================================================
    ``out_type``   ``forward`` returns a tuple of
    =============  ========================================================================
    ``cls_token``  one tensor (B, C), for mmpretrain heads
    ``featmap``    a tensor (B, C, Hf, Wf) for each of ``out_indices``, coarse tokens replicated
    ``tokens``     `MixedTokens` for each of ``out_indices``, for mixed-scale heads
    =============  ========================================================================

    Args:
        arch: a timm ViT name, or a dict of ``VisionTransformer`` arguments (``embed_dim``, ``depth``, ``num_heads``,
            ``patch_size``).
        img_size: pixels, side or (height, width), that the position embeddings are laid out for. Any input size works.
        coarse_patch_size: side of a region in pixels, S_c, a multiple of the ViT's patch size.
        gate: who decides: a module, a registry config such as ``dict(type='msvit.MLPGate')``, a checkpoint of a trained gate
            (see `load_gate`), or None: all fine, the plain ViT.
        gate_loss: shapes or teaches the gate in training, e.g. ``dict(type='msvit.GBaSLoss', target=0.5)``, or a list of such;
            see `pop_gate_losses`. Its ``grid`` is by default that of ``img_size``. None: the task alone trains the gate.
        layout: how a ragged batch lies in memory: ``'masked'``, ``'trimmed'`` or ``'packed'``.
        train_layout: the layout in training mode, by default ``layout``.
        out_type: see the table.
        out_indices: blocks whose output is returned, negative ones counted from the end; the final norm applies to the
            last block.
        pos_embed_mode: interpolation of position embeddings, ``'bilinear'`` (the paper) or ``'bicubic'`` (timm).
        drop_path_rate: stochastic depth of the last block, linear from 0 at the first, in [0, 1).
        frozen_stages: -1: nothing is frozen; 0: the embeddings; n: the first n blocks too. The gate always trains.
        with_cp: recompute the blocks in the backward pass to save memory.
        pretrained: None, True (timm's weights for ``arch``), or a checkpoint of any supported origin, see `load_vit`. A config
            that gives it gives ``init_cfg``, so that nothing is read before training begins.
        init_cfg: what OpenMMLab loads when training begins, ``dict(type='msvit.Pretrained', checkpoint=...)``.

    Raises:
        ValueError: an argument is out of its range or arguments do not fit each other.
        TypeError: the gate is no `BaseGate`, or ``arch`` neither a name nor a dict.
    """

    pos_embed_mode: Literal['bilinear', 'bicubic']
    pos_embed: nn.Parameter
    native_shape: tuple[int, int]

    def __init__(
        self,
        arch: str | dict[str, Any] = 'vit_small_patch16_224',
        img_size: int | tuple[int, int] = 224,
        coarse_patch_size: int = 32,
        gate: nn.Module | dict[str, Any] | str | PathLike | None = None,
        gate_loss: nn.Module | dict[str, Any] | list | None = None,
        layout: Layout = 'packed',
        train_layout: Layout | None = None,
        out_type: OutType = 'featmap',
        out_indices: Sequence[int] = (-1,),
        pos_embed_mode: Literal['bilinear', 'bicubic'] = 'bilinear',
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        with_cp: bool = False,
        pretrained: bool | str | PathLike | None = None,
        init_cfg: dict[str, Any] | list | None = None,
    ):
        super().__init__()
        check_sides('img_size', img_size)
        check_flag('with_cp', with_cp)
        check_pretrained(pretrained)
        check_init_cfg(init_cfg)
        self._graphs: Replay | None = None
        vit = build_timm_vit(arch, img_size)
        depth = len(vit.blocks)
        self.layout, self.train_layout = layout, layout if train_layout is None else train_layout
        self.out_type, self.pos_embed_mode = out_type, pos_embed_mode
        self.patch_size, self.coarse_patch_size = vit.patch_embed.patch_size[0], coarse_patch_size
        self.embed_dim, self.num_prefix_tokens = vit.embed_dim, vit.num_prefix_tokens
        self.native_shape = vit.patch_embed.grid_size
        self.arch, self.init_cfg = arch if isinstance(arch, str) else '', init_cfg
        self.frozen_stages, self.with_cp = frozen_stages, with_cp
        self._check_options(vit, out_indices)
        self.out_indices = tuple(sorted(index % depth for index in out_indices))

        self._adopt(vit, drop_path_rates(drop_path_rate, depth))
        self._add_gate(gate, gate_loss)
        adopt_linears(self)
        self.register_load_state_dict_pre_hook(fit_square_positions)
        if pretrained:
            self.load_pretrained(pretrained)
        self._freeze()

    def forward(self, images: Tensor, fine_mask: Tensor | None = None) -> tuple[Any, ...]:
        """Compute features of images.

        Args:
            images: (B, 3, H, W), normalised as the ViT's weights want.
            fine_mask: (B, Hc, Wc) bool, overrules the gate.

        Returns:
            A tuple, see the table of ``out_type``.
        """
        if self._graphs is not None and self.layout != 'masked' and can_replay(self, images):
            return self._graphs(self, images, fine_mask)
        return self.features(self.encode_all(self.tokenize(images, fine_mask)))

    def tokenize(self, images: Tensor, fine_mask: Tensor | None = None) -> MixedTokens:
        """Decide scales, embed the patches and add positions: the tokens before the encoder; arguments as in `forward`.

        Raises:
            ValueError: the images are not (B, 3, H, W), or the mask does not fit them.
        """
        grid = self.grid(images)
        decision = self.decide(images, fine_mask)
        layout = self.train_layout if self.training else self.layout
        index = build_index(layout, grid, decision.fine_mask, decision.straight_through(), self.num_prefix_tokens)
        self._keep_or_record(decision, index)
        return self.embed(images, index)

    def embed(self, images: Tensor, index: TokenIndex) -> MixedTokens:
        """Embed the tokens of an index and add their positions: `tokenize` where the scales are decided."""
        grid = index.grid
        tokens = embed_patches(index.memory.select(grid.patches(images)), self.patch_embed.proj)
        positions = self.pos_embed if self.no_embed_class else self.pos_embed[:, self.num_prefix_tokens :]
        table = position_table(positions, self.native_shape, grid, self.pos_embed_mode)
        tokens = self.pos_drop(self.patch_embed.norm(tokens) + index.memory.select(table))
        return MixedTokens(self.norm_pre(index.memory.assemble(self._prefix(tokens), tokens)), index)

    def forward_tokens(self, images: Tensor, fine_mask: Tensor | None = None) -> MixedTokens:
        """Compute the tokens after the encoder and its final norm; arguments as in `forward`."""
        return self.encode(self.tokenize(images, fine_mask))

    def encode(self, tokens: MixedTokens) -> MixedTokens:
        """Run the blocks and the final norm alone, on tokens of `tokenize`."""
        return self._encode(tokens, (len(self.blocks) - 1,))[0]

    def encode_all(self, tokens: MixedTokens) -> tuple[MixedTokens, ...]:
        """Run the blocks on tokens of `tokenize`, for the output of each of ``out_indices``."""
        return self._encode(tokens, self.out_indices)

    def features(self, outputs: tuple[MixedTokens, ...]) -> tuple[Any, ...]:
        """Make of `encode_all`'s tokens what `forward` returns."""
        if self.out_type == 'tokens':
            return outputs
        is_map = self.out_type == 'featmap'
        return tuple(tokens.to_map() for tokens in outputs) if is_map else (self.class_feature(outputs[-1]),)

    def compile_blocks(self, **options: Any) -> None:
        """Compile the transformer blocks in place, once for all token counts; for GPUs, whose launches cost time at batch 1,
        and for small models on CPUs, where calls do.

        torch 2.6 compiles a part of each block anew at every call; the current one does not.

        Args:
            **options: of `torch.compile`.
        """
        for block in self.blocks:
            block.compile(**{'dynamic': True, **options})

    def capture_graphs(self, bucket: int = 32) -> None:
        """Replay the forward pass as CUDA graphs at test, without gradients, autocast and the masked layout; for GPUs, which
        wait for launches unless a batch is large. Goes with `compile_blocks`, called before.

        Images of a batch are padded to one number of tokens and given in the trimmed layout; large batches of very different
        images run faster without. The first batch of each shape and bucket takes longer.

        Args:
            bucket: tokens are padded to a multiple of it, but not where a budget gives all images as many.

        Raises:
            ValueError: ``bucket`` is below 1.
        """
        self._graphs = Replay(bucket)

    def class_feature(self, tokens: MixedTokens) -> Tensor | tuple[Tensor, ...]:
        """Take what a classifier gets of the encoded tokens: the class token (B, C); of a distilled ViT a pair."""
        return tokens.prefix()[:, 0]

    def macs(self, grid: TokenGrid, counts: Tensor, fine_mask: Tensor | None = None) -> Macs:
        tokens = counts.double()
        sequence = tokens + self.num_prefix_tokens
        blocks = torch.zeros_like(tokens)
        for block in self.blocks:
            blocks += attention_macs(block.attn, sequence) + sequence * linear_macs(block.mlp)
        return Macs(self._gate_macs(grid, counts), tokens * self.patch_embed.proj.weight.numel(), blocks)

    def _encode(self, tokens: MixedTokens, out_indices: Sequence[int]) -> tuple[MixedTokens, ...]:
        index, outputs = tokens.index, []
        x, where = tokens.x, key_bias(index, tokens.x.dtype)
        if index.is_uniform:
            x, where = x.unflatten(1, (index.batch_size, -1)).squeeze(0), None
        for i, block in enumerate(self.blocks):
            x = self._run(block, x, where)
            if i in out_indices:
                outputs.append(self.norm(x) if i == len(self.blocks) - 1 else x)
        return tuple(tokens.with_features(x.reshape(tokens.x.shape)) for x in outputs)

    def _encode_block(self, i: int, tokens: MixedTokens) -> MixedTokens:
        return tokens.with_features(self._run(self.blocks[i], tokens.x, key_bias(tokens.index, tokens.x.dtype)))

    def _apply(self, *args: Any, **kwargs: Any) -> 'MSViT':
        if self._graphs is not None:
            self._graphs.graphs.clear()  # the parameters move
        return super()._apply(*args, **kwargs)

    def _run(self, part: Callable[..., Any], *args: Any) -> Any:
        """Call a part of the encoder, with ``with_cp`` so that the backward pass calls it again instead of keeping all."""
        if self.with_cp and torch.is_grad_enabled():
            return checkpoint(part, *args, use_reentrant=False)
        return part(*args)

    def _normed(self, tokens: MixedTokens) -> MixedTokens:
        return tokens.with_features(self.norm(tokens.x))

    def _prefix(self, like: Tensor) -> Tensor:
        """Class, distillation and register tokens with their positions, (P, C)."""
        tokens: list[Tensor] = [token for token in (self.cls_token, self.dist_token, self.reg_token) if token is not None]
        if not tokens:
            return like.new_empty(0, self.embed_dim)
        prefix = torch.cat(tokens, dim=1)
        if not self.no_embed_class:
            prefix = prefix + self.pos_embed[:, : self.num_prefix_tokens]
        return prefix[0]

    def _adopt(self, vit: VisionTransformer, rates: Sequence[float]) -> None:
        """Take over the parts of a timm ViT under its own names."""
        self.patch_embed, self.norm_pre, self.pos_drop = vit.patch_embed, vit.norm_pre, vit.pos_drop
        assert vit.pos_embed is not None  # `build_timm_vit` refuses ViTs without
        self.cls_token, self.reg_token, self.pos_embed = vit.cls_token, vit.reg_token, vit.pos_embed
        self.dist_token = getattr(vit, 'dist_token', None)
        self.no_embed_class = vit.no_embed_class
        self.blocks = Blocks(*map(MixedScaleBlock, cast('Iterable[Block]', vit.blocks), rates))
        self.norm = vit.norm

    def load_pretrained(self, source: bool | str | PathLike) -> None:
        load_vit(self, source, arch=self.arch, mode=self.pos_embed_mode, fresh=_BEYOND_VIT, keep=self._kept_groups)

    def _frozen_modules(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        return [self.patch_embed, self.pos_drop, self.norm_pre, *self.blocks[: self.frozen_stages]]

    def _freeze(self) -> None:
        parameters = [p for module in self._frozen_modules() for p in module.parameters()]
        if self.frozen_stages >= 0:
            tokens = (self.cls_token, self.dist_token, self.reg_token, self.pos_embed)
            parameters += [token for token in tokens if token is not None]
        for parameter in parameters:
            parameter.requires_grad_(False)

    def _check_options(self, vit: VisionTransformer, out_indices: Sequence[int]) -> None:
        depth, image = len(vit.blocks), vit.patch_embed.img_size
        if any(side % self.patch_size for side in image):
            raise ValueError(f'img_size {image} is no multiple of the patch size {self.patch_size}')
        larger = is_count(self.coarse_patch_size, self.patch_size + 1)
        if not larger or self.coarse_patch_size % self.patch_size:
            raise ValueError(
                f'coarse_patch_size {self.coarse_patch_size!r} must be a larger multiple of the patch size {self.patch_size}, '
                f'for instance {2 * self.patch_size}; the patch size is that of arch'
            )
        for name in ('layout', 'train_layout'):
            if getattr(self, name) not in tuple(LAYOUTS):
                choices = ', '.join(map(repr, LAYOUTS))
                raise ValueError(f'{name}: unknown layout {getattr(self, name)!r}: choose one of {choices}')
        check_choice('out_type', self.out_type, ('cls_token', 'featmap', 'tokens'))
        if self.out_type == 'cls_token' and vit.cls_token is None:
            raise ValueError("out_type='cls_token' needs a ViT with a class token: this one has none, use 'featmap'")
        check_choice('pos_embed_mode', self.pos_embed_mode, ('bilinear', 'bicubic'))
        if not is_indices(out_indices, depth):
            raise ValueError(f'out_indices {out_indices!r} must name some of the {depth} blocks')
        if not is_count(self.frozen_stages, -1) or self.frozen_stages > depth:
            raise ValueError(f'frozen_stages must lie in [-1, {depth}], got {self.frozen_stages!r}')

"""What every mixed-scale backbone shares: a gate that decides for each region, and what its training leaves behind."""

from abc import ABC, abstractmethod
from os import PathLike
from typing import Any, cast

import torch
from timm.layers import PatchEmbed
from torch import Tensor, nn

from ..checkpoints import CheckpointError
from ..checks import naming, to_mask
from ..gates import BaseGate, GateOutput
from ..losses import build_gate_loss
from ..parts import build_part
from ..tokens import Layout, TokenGrid, TokenIndex, pad_to_multiple
from .awaited import AwaitedGate
from .macs import Macs
from .trace import Decided, record


class GatedBackbone(nn.Module, ABC):
    """Base of the mixed-scale backbones.

    A subclass builds its ``patch_embed`` (timm's) and then calls `_add_gate`.
    """

    patch_embed: PatchEmbed
    patch_size: int
    coarse_patch_size: int
    layout: Layout
    train_layout: Layout
    gate: BaseGate | None
    gate_loss: nn.Module | None
    init_cfg: dict[str, Any] | list | None = None

    def decide(self, images: Tensor, fine_mask: Tensor | None = None) -> GateOutput:
        """Decide which regions are fine.

        Args:
            images: (B, 3, H, W), normalised as the backbone's weights want.
            fine_mask: (B, Hc, Wc) bool, overrules the gate.

        Raises:
            ValueError: the images are not (B, 3, H, W), or the mask does not fit them or holds more than 0 and 1.
            TypeError: the images are whole numbers, or of another precision than the weights.
        """
        batch, shape = images.shape[0], self.grid(images).region_shape
        self._check_dtype(images)
        if fine_mask is not None:
            fine_mask = to_mask('fine_mask', fine_mask, images.device)
            if tuple(fine_mask.shape) != (batch, *shape):
                raise ValueError(
                    f'fine_mask has shape {tuple(fine_mask.shape)}; {batch} images of {images.shape[-2]}x{images.shape[-1]} '
                    f'pixels in regions of {self.coarse_patch_size} pixels need {(batch, *shape)}'
                )
            return GateOutput(fine_mask.to(images.dtype), fine_mask)
        if self.gate is None:
            ones = torch.ones(batch, *shape, device=images.device)
            return GateOutput(ones, ones.bool())
        return self.gate(pad_to_multiple(images, self.coarse_patch_size))

    def grid(self, images: Tensor) -> TokenGrid:
        """List the candidate tokens that images of this size offer."""
        channels = self.patch_embed.proj.in_channels
        if images.dim() != 4 or images.shape[1] != channels or 0 in images.shape:
            raise ValueError(
                f'images must have shape (batch, {channels}, height, width), none of them 0, got {tuple(images.shape)}'
            )
        return TokenGrid(images.shape[-2], images.shape[-1], self.patch_size, self.coarse_patch_size)

    def _check_dtype(self, images: Tensor) -> None:
        weights = self.patch_embed.proj.weight.dtype
        alike = images.dtype == weights or torch.is_autocast_enabled(images.device.type)
        if not images.is_floating_point() or not alike:
            raise TypeError(
                f'images must be {weights} as the weights are, and normalised, got {images.dtype}: a data_preprocessor does '
                'that, or images.to(...) and (images - mean) / std'
            )

    @abstractmethod
    def macs(self, grid: TokenGrid, counts: Tensor, fine_mask: Tensor | None = None) -> Macs:
        """Count multiply-accumulates on given tokens; no forward pass is needed.

        Args:
            grid: of the images, see `grid`.
            counts: (B,) present tokens of each image, without prefix tokens.
            fine_mask: (B, Hc, Wc) bool, the decisions, for backbones whose cost depends on where the tokens lie.

        Returns:
            The parts, each (B,).
        """

    def pop_gate_losses(self) -> dict[str, Tensor]:
        """Hand over what the last training forward pass left for the optimiser and the log, once.

        `GateLossHook` calls this in OpenMMLab runners; a training loop of your own calls it after each forward pass and
        adds the entries whose name contains ``loss``.

        Returns:
            The terms of ``gate_loss``, and for the log ``fine_share`` (0..1) and ``tokens`` (mean of the batch, without
            prefix).
        """
        losses, self._uncollected = self._uncollected or {}, None
        return losses

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of copies and pickles the losses that wait to be collected: they are those of this model's graph."""
        return {**self.__dict__, '_uncollected': None}

    def init_weights(self) -> None:
        """Load what ``init_cfg`` names; OpenMMLab's runner calls this when training begins. All else is drawn at construction.

        Raises:
            FileNotFoundError: the file of the gate, or another, is not there.
            CheckpointError: a file cannot be read, or does not fit.
        """
        if isinstance(self.gate, AwaitedGate):
            raise self.gate.reason
        if self.init_cfg:
            from mmengine.model import initialize

            initialize(self, self.init_cfg)

    @abstractmethod
    def load_pretrained(self, source: bool | str | PathLike) -> None:
        """Load the weights of a plain network, or of this one.

        Args:
            source: True (timm's weights for ``arch``), or a checkpoint of any supported origin.

        Raises:
            FileNotFoundError: no such file.
            CheckpointError: it cannot be read, or does not fit; lists every name.
        """

    def train(self, mode: bool = True) -> 'GatedBackbone':
        """Set training mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        if not mode:
            self._uncollected = None
        return self

    @abstractmethod
    def _frozen_modules(self) -> list[nn.Module]:
        """The parts that do not train."""

    def _gate_macs(self, grid: TokenGrid, counts: Tensor) -> Tensor:
        """Count the MACs of deciding the scale of every region, (B,)."""
        return torch.full_like(counts, 0 if self.gate is None else self.gate.macs(*grid.region_shape), dtype=torch.double)

    def _add_gate(self, gate: Any, gate_loss: Any) -> None:
        """Build the gate, or take it from the checkpoint that is named, and its loss, and check that they fit."""
        if isinstance(gate, str | PathLike):
            gate = dict(type='msvit.TrainedGate', checkpoint=gate)
        # a gate of its own file is not replaced by that of the host's pretrained weights
        self._kept_groups = ('gate.',) if isinstance(gate, dict) and gate.get('checkpoint') else ()
        with naming('gate'):
            self.gate = build_part(gate, 'Gate', coarse_patch_size=self.coarse_patch_size)
        height, width = cast('tuple[int, int]', self.patch_embed.img_size)
        native = TokenGrid(height, width, self.patch_size, self.coarse_patch_size)
        with naming('gate_loss'):
            self.gate_loss = build_gate_loss(gate_loss, native.region_shape)
        self._uncollected: dict[str, Tensor] | None = None
        self._check_gate()
        self.register_load_state_dict_pre_hook(_refuse_another_gate)

    def _keep_or_record(self, decision: GateOutput, index: TokenIndex | Decided) -> None:
        """Keep the gate's losses in training; record the tokens in open traces at test."""
        if self.training:
            self._keep_gate_losses(decision, index.counts)
        else:
            record(self, index)

    def _keep_gate_losses(self, decision: GateOutput, counts: Tensor) -> None:
        if not decision.p_fine.requires_grad:
            return
        losses = {} if self.gate_loss is None else self.gate_loss(decision.p_fine)
        log = dict(fine_share=decision.fine_mask.float().mean(), tokens=counts.float().mean())
        self._leave({**losses, **log}, 'the gate')

    def _leave(self, losses: dict[str, Tensor], learner: str) -> None:
        """Add to what `pop_gate_losses` hands over; the one of whom it is must not go without its loss."""
        waiting = self._uncollected or {}
        if torch.is_grad_enabled() and any('loss' in name for name in waiting.keys() & losses.keys()):
            raise RuntimeError(
                f"nobody collected {learner}'s loss of the last training step, so {learner} would learn without its target: "
                "add custom_hooks=[dict(type='msvit.GateLossHook')] to the config, or call pop_gate_losses() after each "
                'forward pass'
            )
        self._uncollected = {**waiting, **losses}

    def _check_gate(self) -> None:
        if self.gate is not None and not isinstance(self.gate, BaseGate):
            raise TypeError(
                'gate must be a msvit gate (BaseGate), its config, a checkpoint of one, or None, got '
                f'{type(self.gate).__name__}'
            )
        if self.gate_loss is not None and not isinstance(self.gate_loss, nn.Module):
            raise TypeError(f'gate_loss must be a loss of msvit, its config, a list of those, or None, got {self.gate_loss!r}')
        if self.gate is not None and self.gate.coarse_patch_size != self.coarse_patch_size:
            theirs, ours = self.gate.coarse_patch_size, self.coarse_patch_size
            raise ValueError(
                f'the gate looks at regions of {theirs} pixels, the backbone has coarse_patch_size={ours}: build '
                f'{type(self).__name__} with coarse_patch_size={theirs}, or take a gate for regions of {ours} pixels'
            )
        if self.gate_loss is not None and not (self.gate and any(p.requires_grad for p in self.gate.parameters())):
            advice = "use a learned gate such as dict(type='msvit.MLPGate')"
            if self.gate is not None and self.gate.frozen:
                advice = "the gate is frozen; let it train with dict(type='msvit.TrainedGate', checkpoint=..., frozen=False)"
            raise ValueError(f'gate_loss has nothing to train: {advice}, or drop gate_loss')


def _refuse_another_gate(net: GatedBackbone, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """mmengine would warn of a gate that does not fit, and train or test with a new one."""
    if net.gate is None:
        return
    if isinstance(net.gate, AwaitedGate):
        net.gate = net.gate.found_in(state, f'{prefix}gate.').to(net.patch_embed.proj.weight)
    lacking = [name for name, _ in net.gate.named_parameters() if f'{prefix}gate.{name}' not in state]
    if lacking and any(name.startswith(f'{prefix}gate.') for name in state):
        raise CheckpointError(
            f"the checkpoint's gate is another one: it lacks gate.{lacking[0]}, which the {type(net.gate).__name__} of the "
            'model has. Give the model the gate that it was trained with, or remove gate.* from the checkpoint to begin with '
            'a new one'
        )
    for name, value in net.gate.state_dict().items():
        given = state[full] if (full := f'{prefix}gate.{name}') in state else value
        if given.shape != value.shape:
            raise CheckpointError(
                f"the checkpoint's gate has another shape: gate.{name} is {tuple(given.shape)} there and {tuple(value.shape)} "
                'in the model. Give the gate the widths and the coarse_patch_size that it was trained with, or remove '
                'gate.* from the checkpoint to begin with a new one'
            )

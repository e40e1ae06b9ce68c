"""What learned gates share: log-odds from the image, relaxed draws in training, a threshold and a budget at test."""

import math
from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..checks import check_closed_share, check_count, check_positive, check_share
from .base import BaseGate, GateOutput
from .sampling import check_budget, limit_fine_regions, sample_relaxed_bernoulli


class LearnedGate(BaseGate):
    """Base of the gates that are trained.

    ``threshold`` and ``budget`` are plain attributes: set them at any time to trade accuracy for speed, no retraining.

    Args:
        coarse_patch_size: side of a region in pixels, S_c.
        in_channels: image channels.
        temperature: of the relaxed Bernoulli draws in training, > 0.
        init_p_fine: probability of fine before any training, in (0, 1).
        threshold: at test a region is fine where p_fine > threshold, in [0, 1].
        budget: at test the most regions that may be fine, those of the highest p_fine: a number (int), a share (float), or
            None.

    A kind of gate tells how its tensors are named, and knows itself by them again, wherever they come from.

    Raises:
        ValueError: an argument is out of its range; the forward pass says so of a threshold or budget set later.
    """

    tensor_names: ClassVar[str]  # a regular expression

    def __init__(
        self,
        coarse_patch_size: int,
        in_channels: int,
        temperature: float,
        init_p_fine: float,
        threshold: float,
        budget: int | float | None,
    ):
        super().__init__(coarse_patch_size)
        check_count('in_channels', in_channels, least=1)
        check_share('init_p_fine', init_p_fine)
        self.in_channels = in_channels
        self.temperature = temperature
        self.threshold = threshold
        self.budget = budget
        self.check_settings()

    @property
    @abstractmethod
    def last_layer(self) -> nn.Module:
        """The layer, with a bias, whose output are the log-odds."""

    @abstractmethod
    def logits(self, images: Tensor) -> Tensor:
        """Compute log-odds of fine, (B, Hc, Wc), in full precision under autocast too, so that no decision depends on it."""

    @abstractmethod
    def rescale_inputs(self, scale: Tensor, shift: Tensor) -> None:
        """Decide on x as on x * scale + shift before, exactly: of each channel, (C,) float64, on the CPU."""

    @abstractmethod
    def reverse_channels(self) -> None:
        """Decide on images as on those of the reversed order of channels before."""

    @classmethod
    def arguments_of(cls, tensors: dict[str, Tensor], coarse_patch_size: int | None = None) -> dict[str, Any]:
        """Find the arguments that build this kind of gate with such tensors.

        Args:
            tensors: by the names that the gate gives them.
            coarse_patch_size: where it is known from elsewhere.

        Raises:
            ValueError: they are not the tensors of such a gate, or not those of regions of that size.
        """
        if coarse_patch_size is not None:
            check_count('coarse_patch_size', coarse_patch_size, least=1)
        try:
            arguments = cls._read_arguments(tensors, coarse_patch_size)
            with torch.device('meta'):
                expected = cls(**arguments).state_dict()
        except (KeyError, IndexError) as error:
            raise ValueError(f'these are not all tensors of a {cls.__name__}: {error}') from error
        if {name: value.shape for name, value in expected.items()} != {name: value.shape for name, value in tensors.items()}:
            raise ValueError(f'these are not the tensors of a {cls.__name__}')
        return arguments

    @classmethod
    @abstractmethod
    def _read_arguments(cls, tensors: dict[str, Tensor], coarse_patch_size: int | None) -> dict[str, Any]:
        """As `arguments_of`, of tensors that may lack any name (KeyError) or axis (IndexError); it checks the rest."""

    def forward(self, images: Tensor) -> GateOutput:
        logits = self.logits(images)
        if self.training:
            p_fine = sample_relaxed_bernoulli(logits, self.temperature)
            return GateOutput(p_fine, p_fine > 0.5)
        self.check_settings()
        p_fine = logits.sigmoid()
        return GateOutput(p_fine, limit_fine_regions(p_fine > self.threshold, p_fine, self.budget))

    def replay_key(self) -> Hashable:
        return self.threshold, self.budget

    @torch.no_grad()
    def calibrate(self, images: Tensor, fine_share: float) -> float:
        """Shift the log-odds so that ``fine_share`` of all regions of these images exceed the threshold.

        The shift goes into the last layer's bias, and so into every checkpoint.

        Args:
            images: (B, 3, H, W), a sample of the data as the backbone gets it, sides multiples of ``coarse_patch_size``.
            fine_share: mean share of fine regions, in [0, 1]; images differ.

        Returns:
            The threshold, unchanged.

        Raises:
            ValueError: the share is out of range, or the threshold is 0 or 1, which no shift reaches, or the images
                hold NaN.
        """
        self.calibrate_logits(self.logits(images), fine_share)
        return self.threshold

    @torch.no_grad()
    def calibrate_logits(self, logits: Tensor, fine_share: float) -> None:
        """Calibrate, as `calibrate` does, from log-odds of any shape that are at hand already."""
        check_closed_share('fine_share', fine_share)
        if not torch.isfinite(logits).all():
            raise ValueError('the images give log-odds that are not finite: they hold NaN, or the gate does')
        if not 0 < self.threshold < 1:
            raise ValueError(f'calibrate needs a threshold in (0, 1), the gate has {self.threshold}')
        values = logits.flatten().double().sort().values
        coarse = round((1 - fine_share) * len(values))
        # between the last coarse and the first fine one; beyond the ends where all are to be one or the other
        ends = values[:1] - 1, values, values[-1:] + 1
        cut = torch.cat(ends)[coarse : coarse + 2].mean()
        bias = self.last_layer.get_parameter('bias')
        bias += math.log(self.threshold / (1 - self.threshold)) - cut.to(bias.dtype)

    def check_settings(self) -> None:
        """Raise ValueError if a setting that may change at any time is out of its range."""
        check_positive('temperature', self.temperature)
        check_closed_share('threshold', self.threshold)
        check_budget(self.budget)

    def _quiet_last_layer(self, init_p_fine: float) -> None:
        """At first every region gets about ``init_p_fine``."""
        nn.init.normal_(self.last_layer.get_parameter('weight'), std=0.01)
        nn.init.constant_(self.last_layer.get_parameter('bias'), math.log(init_p_fine / (1 - init_p_fine)))


@torch.no_grad()
def rescale_pixels(layer: nn.Linear, scale: Tensor, shift: Tensor) -> None:
    """Let a linear layer on patches, as `patchify` orders them, take x where it took x * scale + shift.

    Args:
        layer: is changed.
        scale, shift: of each channel, (C,) float64, on the CPU.
    """
    weight = layer.weight.unflatten(1, (len(scale), -1)).double().cpu()
    layer.bias.copy_(layer.bias.double().cpu() + weight.sum(dim=2) @ shift)
    layer.weight.copy_((weight * scale[:, None]).flatten(1))


@torch.no_grad()
def reverse_pixels(layer: nn.Linear, in_channels: int) -> None:
    """Let a linear layer on patches, as `patchify` orders them, take images of the reversed order of channels."""
    layer.weight.copy_(layer.weight.unflatten(1, (in_channels, -1)).flip(1).flatten(1))

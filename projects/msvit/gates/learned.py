"""What learned gates share: log-odds from the image, relaxed draws in training, a threshold and a budget at test."""

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from .base import BaseGate, GateOutput
from .fixed import check_fine_share
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

    Raises:
        ValueError: an argument is out of its range; the forward pass says so of a threshold or budget set later.
    """

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
        if not 0 < init_p_fine < 1:
            raise ValueError(f'init_p_fine must lie in (0, 1), got {init_p_fine}')
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
        """Log-odds of fine, (B, Hc, Wc); under autocast too in full precision, so that no decision depends on it."""

    def forward(self, images: Tensor) -> GateOutput:
        logits = self.logits(images)
        if self.training:
            p_fine = sample_relaxed_bernoulli(logits, self.temperature)
            return GateOutput(p_fine, p_fine > 0.5)
        self.check_settings()
        p_fine = logits.sigmoid()
        return GateOutput(p_fine, limit_fine_regions(p_fine > self.threshold, p_fine, self.budget))

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
            ValueError: the share is out of range, or the threshold is 0 or 1, which no shift reaches.
        """
        self.calibrate_logits(self.logits(images), fine_share)
        return self.threshold

    @torch.no_grad()
    def calibrate_logits(self, logits: Tensor, fine_share: float) -> None:
        """`calibrate` from log-odds of any shape that are at hand already."""
        check_fine_share(fine_share)
        if not 0 < self.threshold < 1:
            raise ValueError(f'calibrate needs a threshold in (0, 1), the gate has {self.threshold}')
        values = logits.flatten().double().sort().values
        coarse = round((1 - fine_share) * len(values))
        # between the last coarse and the first fine one; beyond the ends where all are to be one or the other
        ends = values[:1] - 1, values, values[-1:] + 1
        cut = torch.cat(ends)[coarse : coarse + 2].mean()
        self.last_layer.bias += math.log(self.threshold / (1 - self.threshold)) - cut.to(self.last_layer.bias.dtype)

    def check_settings(self) -> None:
        """Raise ValueError if a setting that may change at any time is out of its range."""
        if not self.temperature > 0:
            raise ValueError(f'temperature must be positive, got {self.temperature}')
        if not 0 <= self.threshold <= 1:
            raise ValueError(f'threshold must lie in [0, 1], got {self.threshold}')
        check_budget(self.budget)

    def _quiet_last_layer(self, init_p_fine: float) -> None:
        """At first every region gets about ``init_p_fine``."""
        nn.init.normal_(self.last_layer.weight, std=0.01)
        nn.init.constant_(self.last_layer.bias, math.log(init_p_fine / (1 - init_p_fine)))

"""What every teacher of a gate gives."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn


class GateTeacher(ABC):
    """Says how much each region of training images deserves to be fine."""

    iters: ClassVar[int] = 6000
    """Teaching steps after which a gate has learned most of what it will."""
    reuse: ClassVar[int] = 3
    """Teaching steps that each answer serves; more where an answer takes long."""

    @abstractmethod
    def targets(self, model: nn.Module, data: dict[str, Any], coarse_patch_size: int) -> Tensor:
        """Say what the gate is to learn.

        Args:
            model: the host, an OpenMMLab model.
            data: a training batch from its preprocessor: ``inputs`` (B, 3, H, W) and ``data_samples``.
            coarse_patch_size: side of a region in pixels, S_c.

        Returns:
            (B, Hc, Wc) float in [0, 1]; NaN where nothing is known of a region.

        Raises:
            ValueError: the batch lacks what the teacher looks at.
        """

"""Several gate losses together."""

from typing import Any

from torch import Tensor, nn

from ..parts import build_part


class SeveralLosses(nn.ModuleList):
    """The terms of several losses on the same decisions."""

    def forward(self, p_fine: Tensor) -> dict[str, Tensor]:
        """Compute all terms of (B, Hc, Wc) values, see `GateLoss`.

        Raises:
            ValueError: two losses have a term of one name.
        """
        terms: dict[str, Tensor] = {}
        for loss in self:
            more = loss(p_fine)
            if both := sorted(terms.keys() & more.keys()):
                raise ValueError(f'two of the gate losses have a term {both[0]}: leave one of them out')
            terms |= more
        return terms


def build_gate_loss(gate_loss: Any, grid: tuple[int, int]) -> nn.Module | None:
    """Build what a backbone's ``gate_loss`` says.

    Args:
        gate_loss: a loss, its config, a list of those, or None.
        grid: (Hc, Wc), the regions of a training image, for losses that want to know and are not told.
    """
    if isinstance(gate_loss, list | tuple):
        return SeveralLosses(build_part(loss, 'Loss', grid=grid) for loss in gate_loss)
    return build_part(gate_loss, 'Loss', grid=grid)

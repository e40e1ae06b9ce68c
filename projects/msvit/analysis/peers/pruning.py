"""Token pruning at a wanted cost."""

from torch import Tensor

from ...backbones import MSDyViT, MSEViT


def keep_rate_for_macs(net: MSEViT | MSDyViT, images: Tensor, macs: float) -> float:
    """The keep rate with which one all-fine image costs closest to a wanted number.

    Args:
        net: EViT or DynamicViT; its ``keep_rate`` is left as it was.
        images: (B, 3, H, W), whose size alone counts.
        macs: wanted multiply-accumulates of one image, > 0.

    Returns:
        In hundredths, 0.05 to 1.

    Raises:
        ValueError: ``macs`` is not positive.
    """
    if not macs > 0:
        raise ValueError(f'macs must be positive, got {macs}')
    grid, before = net.grid(images), net.keep_rate
    counts = images.new_full((1,), grid.num_fine)

    def miss(rate: float) -> float:
        net.keep_rate = rate
        return abs(float(net.macs(grid, counts).total) - macs)

    try:
        return min((hundredths / 100 for hundredths in range(5, 101)), key=miss)
    finally:
        net.keep_rate = before

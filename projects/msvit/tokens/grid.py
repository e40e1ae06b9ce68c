"""Geometry of two token scales on one image: index maps, padding, patches."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..exporting import are_known, cached_map


@dataclass(frozen=True)
class TokenGrid:
    """The cells that an image offers to its tokens, at both scales.

    Candidate tokens are numbered as in section E of the paper: first the Nc coarse ones, one per region, then the Nf fine
    ones, each scale row by row. Fine cells that lie wholly in the padding are no candidates.

    Args:
        height: image height in pixels.
        width: image width in pixels.
        patch_size: side of a fine patch, S_f, in pixels.
        coarse_patch_size: side of a coarse patch, S_c, in pixels; a multiple of ``patch_size``.
    """

    height: int
    width: int
    patch_size: int
    coarse_patch_size: int

    @property
    def ratio(self) -> int:
        """Fine cells along the side of a region, S_c / S_f."""
        return self.coarse_patch_size // self.patch_size

    @property
    def region_shape(self) -> tuple[int, int]:
        """(Hc, Wc), the regions that cover the image."""
        return pieces(self.height, self.coarse_patch_size), pieces(self.width, self.coarse_patch_size)

    @property
    def fine_shape(self) -> tuple[int, int]:
        """(Hf, Wf), the fine cells that hold at least one pixel of the image."""
        return pieces(self.height, self.patch_size), pieces(self.width, self.patch_size)

    @property
    def num_coarse(self) -> int:
        return self.region_shape[0] * self.region_shape[1]

    @property
    def num_fine(self) -> int:
        return self.fine_shape[0] * self.fine_shape[1]

    def region_of_cell(self, device: torch.device | None = None) -> Tensor:
        """Map each fine cell to the region (0..Nc-1) that it lies in: C of equation 13, shape (Nf,)."""
        return _region_of_cell(self, torch.device(device or 'cpu'))

    def cells_per_token(self, device: torch.device | None = None) -> Tensor:
        """Count the fine cells that each candidate token stands for, float, shape (Nc + Nf,): 1 if fine, at most ratio² if
        coarse."""
        return _cells_per_token(self, torch.device(device or 'cpu'))

    def active(self, fine_mask: Tensor) -> Tensor:
        """Tell which candidates are tokens (equation 13).

        Args:
            fine_mask: (B, Hc, Wc), bool, or float for a relaxed decision.

        Returns:
            (B, Nc + Nf) of the same type: the coarse token of a region where it is not fine, its fine tokens where it is.
        """
        fine = fine_mask.flatten(1)
        coarse = ~fine if fine.dtype == torch.bool else 1 - fine
        return torch.cat((coarse, fine[:, self.region_of_cell(fine.device)]), dim=1)

    def pool_cells(self, cells: Tensor) -> Tensor:
        """Average cells into what each candidate stands for: the mean over the cells of a region, and the cells themselves.

        Args:
            cells: (B, Nf, C), features of all fine cells.

        Returns:
            (B, Nc + Nf, C). A region at the border is the mean over those cells that it has.
        """
        (rows, columns), (regions_down, regions_across) = self.fine_shape, self.region_shape
        missing = (0, 0, 0, regions_across * self.ratio - columns, 0, regions_down * self.ratio - rows)
        padded = F.pad(cells.unflatten(1, self.fine_shape), missing)
        sums = padded.unflatten(2, (-1, self.ratio)).unflatten(1, (-1, self.ratio)).sum(dim=(2, 4)).flatten(1, 2)
        count = self.cells_per_token(cells.device)[: self.num_coarse, None]
        return torch.cat((sums / count.to(cells.dtype), cells), dim=1)

    def patches(self, images: Tensor) -> Tensor:
        """Cut images into all candidate patches, coarse ones resized to the fine size.

        The resize is the mean over ratio × ratio pixels, which for the usual ratio 2 is linear interpolation.

        Args:
            images: (B, C, H, W) of this grid's size.

        Returns:
            (B, Nc + Nf, C * S_f * S_f), pixels in the order of a convolution's weight.
        """
        coarse = patchify(shrink(pad_to_multiple(images, self.coarse_patch_size), self.ratio), self.patch_size)
        fine = patchify(pad_to_multiple(images, self.patch_size), self.patch_size)
        return torch.cat((coarse.flatten(1, 2), fine.flatten(1, 2)), dim=1)


@cached_map(maxsize=256)
def _region_of_cell(grid: TokenGrid, device: torch.device) -> Tensor:
    rows = torch.arange(grid.fine_shape[0], device=device) // grid.ratio
    columns = torch.arange(grid.fine_shape[1], device=device) // grid.ratio
    return (rows[:, None] * grid.region_shape[1] + columns).flatten()


@cached_map(maxsize=256)
def _cells_per_token(grid: TokenGrid, device: torch.device) -> Tensor:
    rows, columns = (
        (cells - torch.arange(regions, device=device) * grid.ratio).clamp(max=grid.ratio)
        for cells, regions in zip(grid.fine_shape, grid.region_shape, strict=True)
    )
    coarse = (rows[:, None] * columns).flatten().float()
    return torch.cat((coarse, torch.ones(grid.num_fine, device=device)))


def pieces(length: int, size: int) -> int:
    """Count the pieces of a size that cover a length; without a negative number, whose division ONNX rounds the other way."""
    return (length + size - 1) // size


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Zero-pad (B, C, H, W) images at the right and the bottom until both sides are multiples of ``multiple`` pixels."""
    height, width = images.shape[-2:]
    pad = (0, pieces(width, multiple) * multiple - width, 0, pieces(height, multiple) * multiple - height)
    return images if are_known(pad) and not any(pad) else F.pad(images, pad)


def shrink(images: Tensor, ratio: int) -> Tensor:
    """Average over ratio × ratio pixels; on a CPU several times faster than torch's pooling and interpolation.

    Args:
        images: (..., H, W), sides multiples of ``ratio``.
        ratio: pixels along a side that become one.
    """
    rows = sum((images[..., i::ratio, :] for i in range(1, ratio)), start=images[..., ::ratio, :])
    columns = sum((rows[..., i::ratio] for i in range(1, ratio)), start=rows[..., ::ratio])
    return columns / ratio**2


def patchify(images: Tensor, size: int) -> Tensor:
    """Cut images into square patches.

    Args:
        images: (B, C, H, W), sides multiples of ``size``.
        size: patch side in pixels.

    Returns:
        (B, H / size, W / size, C * size * size).
    """
    batch, channels, height, width = images.shape
    cells = images.reshape(batch, channels, height // size, size, width // size, size)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(batch, height // size, width // size, channels * size * size)

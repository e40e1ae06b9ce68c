"""A pyramid of feature maps from the one map of a plain ViT, for detectors and heads that want several resolutions."""

from collections.abc import Sequence

from timm.layers import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

from ..checks import check_count

SCALES = (4, 2, 1, 0.5)


class SimpleFeaturePyramid(nn.Module):
    """ViTDet's simple feature pyramid (Li et al., 2022, https://arxiv.org/abs/2203.16527, section 3): every level comes from
    the last map of the backbone, by transposed convolutions or pooling, without a top-down path.

    Args:
        in_channels: of the backbone's last map, >= 4.
        out_channels: of every level.
        scales: of the levels, relative to that map, some of 4, 2, 1, 0.5. Behind patches of 16 pixels the strides of all four
            are 4, 8, 16 and 32.
        num_outs: levels in all; those beyond ``scales`` are pooled from the last one, as FPN does. None: as many as
            ``scales``.

    Raises:
        ValueError: an unknown scale, fewer levels than scales, or channels that are no such number.
    """

    def __init__(
        self, in_channels: int, out_channels: int = 256, scales: Sequence[float] = SCALES, num_outs: int | None = None
    ):
        super().__init__()
        check_count('in_channels', in_channels, least=4)  # a quarter of them at four times the size
        check_count('out_channels', out_channels, least=1)
        if not isinstance(scales, Sequence) or not scales or any(scale not in SCALES for scale in scales):
            raise ValueError(f'scales must be some of {SCALES}, got {scales!r}')
        num_outs = len(scales) if num_outs is None else num_outs
        check_count('num_outs', num_outs)
        if num_outs < len(scales):
            raise ValueError(f'num_outs={num_outs} is less than the {len(scales)} scales')
        self.extra_levels = num_outs - len(scales)
        self.levels = nn.ModuleList(_level(in_channels, out_channels, scale) for scale in scales)

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps of a plain ViT, the last of which (B, C, H, W) counts -> the levels (B, out_channels, scale * H, scale * W).

        Raises:
            TypeError: the backbone gives no feature maps.
        """
        x = inputs[-1]
        if not isinstance(x, Tensor) or x.dim() != 4:
            raise TypeError(
                f"SimpleFeaturePyramid takes feature maps (B, C, H, W), got {type(x).__name__}: set the backbone's "
                "out_type='featmap'"
            )
        maps = [level(x).contiguous() for level in self.levels]  # mmcv's operators need it, LayerNorm2d undoes it
        for _ in range(self.extra_levels):
            maps.append(F.max_pool2d(maps[-1], kernel_size=1, stride=2))
        return tuple(maps)


def _level(in_channels: int, out_channels: int, scale: float) -> nn.Sequential:
    resize, width = {
        4: (_enlarge_4x, in_channels // 4),
        2: (_enlarge_2x, in_channels // 2),
        1: (lambda channels: [], in_channels),
        0.5: (lambda channels: [nn.MaxPool2d(2, ceil_mode=True)], in_channels),
    }[scale]
    return nn.Sequential(
        *resize(in_channels),
        nn.Conv2d(width, out_channels, 1, bias=False),
        LayerNorm2d(out_channels),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        LayerNorm2d(out_channels),
    )


def _enlarge_2x(channels: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(channels, channels // 2, 2, stride=2)]


def _enlarge_4x(channels: int) -> list[nn.Module]:
    half = channels // 2
    return [*_enlarge_2x(channels), LayerNorm2d(half), nn.GELU(), nn.ConvTranspose2d(half, channels // 4, 2, stride=2)]

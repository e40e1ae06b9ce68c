"""What the dense model itself looks at: a lesson without labels."""

from typing import Any

import torch
from torch import Tensor, nn

from ..attention import class_attention, project
from ..backbones import MSViT
from ..backbones.trace import untraced
from ..checks import check_share_up_to
from .base import GateTeacher
from .labels import minority_share


class DenseTeacher(GateTeacher):
    """Fine where the dense model, which the mixed one starts from, would miss detail; no labels are needed.

    Of a segmentor, regions in which its own prediction mixes classes, graded as by `LabelTeacher`. Of any other host, regions
    that the class token attends to in the second half of the blocks: min(1, half of a region's share of that attention times
    the number of regions), so that a region of average weight deserves 0.5.

    Args:
        full_share: for segmentors, see `LabelTeacher`.

    Raises:
        ValueError: ``full_share`` is out of range.
    """

    iters, reuse = 3000, 6

    def __init__(self, full_share: float = 0.3):
        check_share_up_to('full_share', full_share, 1)
        self.full_share = full_share

    @torch.no_grad()
    def targets(self, model: Any, data: dict[str, Any], coarse_patch_size: int) -> Tensor:
        images = data['inputs']
        mode = model.training
        model.eval()
        try:
            with untraced():
                if hasattr(model, 'decode_head'):
                    return self._mixed_predictions(model, images, coarse_patch_size)
                return (attended_share(model.backbone, images) / 2).clamp(max=1)
        finally:
            model.train(mode)

    def _mixed_predictions(self, model: Any, images: Tensor, coarse_patch_size: int) -> Tensor:
        fine = torch.ones(len(images), *model.backbone.grid(images).region_shape, dtype=torch.bool, device=images.device)
        features = model.backbone(images, fine_mask=fine)
        features = model.neck(features) if model.with_neck else features
        scores = model.decode_head(features)
        scores = nn.functional.interpolate(scores, size=images.shape[2:], mode='bilinear', align_corners=model.align_corners)
        labels = scores.argmax(dim=1)
        return (minority_share(labels, coarse_patch_size, ignore_index=-1) / self.full_share).clamp(max=1)


@torch.no_grad()
def attended_share(backbone: MSViT, images: Tensor) -> Tensor:
    """Tell how much the class token of a dense ViT attends to each region in the second half of the blocks, 1 on average.

    Args:
        backbone: an `MSViT` with a class token.
        images: (B, 3, H, W), normalised.

    Returns:
        (B, Hc, Wc), not negative.

    Raises:
        ValueError: the ViT has no class token.
    """
    if getattr(backbone, 'cls_token', None) is None:
        raise ValueError(
            f'DenseTeacher looks at what the class token attends to, and this {type(backbone).__name__} has none: take '
            "dict(type='msvit.LabelTeacher') or another teacher"
        )
    grid = backbone.grid(images)
    rows, columns = grid.region_shape
    tokens = backbone.tokenize(images, torch.ones(len(images), rows, columns, dtype=torch.bool))
    attended = torch.zeros(len(images), grid.num_coarse + grid.num_fine, device=images.device)
    for i, block in enumerate(backbone.blocks):
        if i >= len(backbone.blocks) // 2:
            attended += class_attention(project(block.attn, block.norm1(tokens.x)), tokens.index)
        tokens = backbone._encode_block(i, tokens)
    cells = attended[:, grid.num_coarse :]
    regions = torch.zeros(len(images), grid.num_coarse, device=images.device)
    regions = regions.index_add(1, grid.region_of_cell(images.device), cells)
    return (regions / regions.mean(dim=1, keepdim=True)).unflatten(1, (rows, columns))

"""Which patch sizes meet which image sizes, and where images of these sizes come from."""

from collections.abc import Iterable, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from ..input_size import pair, set_input_size, sized_transforms
from ..model import AnalysedModel
from .weights import require_vit, resize_images

SHARES = (Fraction(1, 2), Fraction(3, 4), Fraction(1), Fraction(3, 2))  # of the own tokens along a side


@dataclass(frozen=True)
class OwnInput:
    """What a model was trained for, by an image of its test set.

    Args:
        patch_size: of fine tokens, in pixels.
        ratio: patches along the side of a region.
        shape: (height, width) of the input in pixels.
    """

    patch_size: int
    ratio: int
    shape: tuple[int, int]

    @classmethod
    def of(cls, model: AnalysedModel, inputs: Tensor) -> 'OwnInput':
        """The sizes of a model whose first input is (1, 3, H, W).

        Raises:
            TypeError: its backbone is no ViT.
        """
        backbone = require_vit(model.backbone)
        return cls(backbone.patch_size, backbone.coarse_patch_size // backbone.patch_size, pair(inputs.shape[-2:]))

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of patches."""
        return pair([-(-side // self.patch_size) for side in self.shape])

    @property
    def tokens_per_side(self) -> int:
        """Along the shorter side."""
        return min(self.grid)

    def patch_sizes(self) -> list[int]:
        """Half, own and twice the patch size."""
        half = [self.patch_size // 2] if self.patch_size % 2 == 0 else []
        return [*half, self.patch_size, 2 * self.patch_size]

    def token_counts(self) -> list[int]:
        """Along the shorter side: half, three quarters, own and one and a half times the own; regions stay whole."""
        own = self.tokens_per_side
        near = {max(1, round(own * share / self.ratio)) * self.ratio for share in SHARES if share != 1}
        return sorted(near | {own})


@dataclass(frozen=True)
class Place:
    """A patch size on images of one size.

    Args:
        patch_size: of fine tokens, in pixels.
        tokens_per_side: of fine tokens, along the shorter side of the first image.
        own: of the model.
    """

    patch_size: int
    tokens_per_side: int
    own: OwnInput

    @property
    def is_own(self) -> bool:
        """Whether the model was trained for just this."""
        return self.patch_size == self.own.patch_size and self.tokens_per_side == self.own.tokens_per_side

    @property
    def img_size(self) -> tuple[int, int]:
        """(height, width) of the first image, in pixels."""
        return self.own.shape if self.is_own else self.shape_of(self.own.shape)

    @property
    def enlargement(self) -> Fraction:
        """Of images, by their side."""
        return Fraction(self.patch_size * self.tokens_per_side, self.own.patch_size * self.own.tokens_per_side)

    def fit(self, inputs: Tensor, own: Tensor) -> Tensor:
        """Images of this place, (B, 3, H, W), from images of nearly its size; the own place gets its inputs untouched.

        Args:
            inputs: (B, 3, H', W').
            own: (B, 3, H, W), the model's own inputs, from whose grid the wanted one follows.
        """
        return own if self.is_own else resize_images(inputs, self.shape_of(own.shape[-2:]))

    def shape_of(self, own: Sequence[int]) -> tuple[int, int]:
        """(height, width) in whole patches, for an own input of (height, width) pixels."""
        cells = (-(-side // self.own.patch_size) for side in own)
        factor = Fraction(self.tokens_per_side, self.own.tokens_per_side)
        return pair([max(1, round(count * factor)) * self.patch_size for count in cells])


def places_of_tokens(own: OwnInput, patch_sizes: Iterable[int], tokens_per_side: Iterable[int]) -> list[Place]:
    """Every patch size with every number of tokens, the own place among them: image sizes follow.

    Args:
        own: of the model.
        patch_sizes: in pixels, >= 1.
        tokens_per_side: along the shorter side, >= 1.

    Returns:
        In ascending order of tokens, then patch size, each once.
    """
    pairs = {(count, patch) for count in tokens_per_side for patch in patch_sizes}
    pairs.add((own.tokens_per_side, own.patch_size))
    return [Place(patch, count, own) for count, patch in sorted(pairs)]


def places_of_images(own: OwnInput, patch_sizes: Sequence[int], img_sizes: Sequence[int]) -> list[Place]:
    """Every patch size on every image size, and the own place; arguments as in `places_of_tokens`, sizes in pixels.

    Raises:
        ValueError: a patch size does not divide an image size.
    """
    for patch in patch_sizes:
        for size in img_sizes:
            if size % patch:
                below = size // patch * patch
                raise ValueError(
                    f'patches of {patch} pixels do not fit images of {size}: choose {f"{below} or " if below else ""}'
                    f'{below + patch} pixels, or patch sizes that divide all image sizes'
                )
    pairs = {(size // patch, patch) for patch in patch_sizes for size in img_sizes}
    pairs.add((own.tokens_per_side, own.patch_size))
    return [Place(patch, count, own) for count, patch in sorted(pairs)]


def sized_models(model: AnalysedModel, enlargements: Iterable[Fraction]) -> dict[Fraction, AnalysedModel]:
    """A model whose test pipeline gives images of other sizes, with all the detail that their files hold.

    Args:
        model: whose config tells the pipeline.
        enlargements: wanted, of the side of an image.

    Returns:
        Models of the same weights for `samples.DatasetSamples` and the like. Enlargements are left out where the pipeline
        resizes nothing, or the config has no one input size: there the images can only be resized afterwards.
    """
    pipeline = model.cfg.test_dataloader.dataset.get('pipeline')
    size = model.cfg.model.backbone.get('img_size')
    if not any(sized_transforms(pipeline)) or not isinstance(size, int):
        return {}
    twins = {}
    for enlargement in enlargements:
        wanted = size * enlargement
        if enlargement == 1 or wanted.denominator != 1:
            continue
        twin = copy(model)
        twin.cfg = deepcopy(model.cfg)
        try:
            set_input_size(twin.cfg, int(wanted))
        except ValueError:  # its training images have another size than the position embeddings
            return {}
        twins[enlargement] = twin
    return twins

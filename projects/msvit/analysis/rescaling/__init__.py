"""Patch size against image size on one trained model, its weights resampled (section G.3, figures 16 and 17)."""

from .places import OwnInput, Place, places_of_images, places_of_tokens, sized_models
from .study import best_at_equal_tokens, evaluate_rescaled
from .weights import METHODS, Method, require_vit, resample_projection, rescaled

__all__ = [
    'METHODS',
    'Method',
    'OwnInput',
    'Place',
    'best_at_equal_tokens',
    'evaluate_rescaled',
    'places_of_images',
    'places_of_tokens',
    'require_vit',
    'resample_projection',
    'rescaled',
    'sized_models',
]

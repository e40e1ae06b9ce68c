"""Patch size against image size on one trained model, its weights resampled (section G.3, figures 16 and 17)."""

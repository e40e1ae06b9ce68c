"""From a trained dense model to a mixed-scale one: what `msvit convert` does."""

"""Mixed-scale tokens for Vision Transformers on OpenMMLab."""

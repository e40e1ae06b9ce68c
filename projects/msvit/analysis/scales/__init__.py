"""What a mixed-scale model makes of images, beside its dense twin: figures 9, 12 and 13 of the supplement."""

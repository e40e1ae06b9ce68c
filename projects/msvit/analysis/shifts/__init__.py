"""A learned and a fixed gate under random zooms and off-centre shifts (section G.1, figure 14)."""

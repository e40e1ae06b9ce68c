"""Sweeps: a grid of trainings from one config, each in a folder of its own, and accuracy against MACs."""

"""MSSwin, and what a hierarchical transformer needs beside a plain one: cells of stages, windows, attention within them."""

from .ms_swin import MSSwin

__all__ = ['MSSwin']

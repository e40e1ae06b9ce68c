"""Multiply-accumulate operations of whole models, and their pictures; those of a backbone are its own method ``macs``."""

from .counting import count_macs

__all__ = ['count_macs']

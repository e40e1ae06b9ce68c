"""The ``msvit`` console command: every table and figure, on any images."""

from .main import main

__all__ = ['main']

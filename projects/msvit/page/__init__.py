"""A static page that runs an exported model in a browser."""

from .site import build_site
from .web_runtime import fetch_runtime

__all__ = ['build_site', 'fetch_runtime']

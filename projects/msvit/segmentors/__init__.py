"""Segmentors of mmseg that run ragged batches and hold fewer scores."""

from .encoder_decoder import RaggedEncoderDecoder

__all__ = ['RaggedEncoderDecoder']

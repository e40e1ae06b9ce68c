"""Whole models: a segmentor that runs ragged batches and holds fewer scores, a classifier that learns from a dense teacher."""

from .distilled import DistilledClassifier
from .encoder_decoder import RaggedEncoderDecoder
from .teacher import FrozenTeacher

__all__ = ['DistilledClassifier', 'FrozenTeacher', 'RaggedEncoderDecoder']

"""Segmenting single images with a trained model, and counting what each one cost."""

from dataclasses import dataclass

import numpy as np
import torch

from ..backbones import TokenTrace
from ..images import resize, shrunk
from .classes import palette_of
from .cost import Cost, cost_of
from .input_limit import check_input
from .model import AnalysedModel
from .samples import InputPipeline, shrinking_note

MAX_SCORED_PIXELS = 2**21  # class scores of 24-megapixel photos would fill the memory


@dataclass(frozen=True)
class Segmentation:
    """What a model said about an image.

    Args:
        labels: (H, W) int32, class indices at the image's own size.
        fine_mask: (Hc, Wc) bool, the decision on the whole input of the network.
        input_shape: (height, width) of that input in pixels.
        cost: of labelling it.
        note: what was done to the image beyond the test pipeline of the config, for the report.
    """

    labels: np.ndarray
    fine_mask: np.ndarray
    input_shape: tuple[int, int]
    cost: Cost
    note: str = ''


class ImageSegmenter:
    """A trained mmseg model with a mixed-scale backbone, applied to images one by one.

    Args:
        model: a segmentor; the test pipeline of its config prepares the images.
        max_side: longer images are shrunk to this many pixels before the test pipeline.

    Raises:
        ValueError: the model is no segmentor.
    """

    def __init__(self, model: AnalysedModel, max_side: int = 2048):
        if not model.segments:
            raise ValueError('the model of this config labels whole images, not pixels: give the config of a segmentor')
        self.model, self.max_side = model, max_side
        self.palette = palette_of(model)
        self._pipeline = InputPipeline(model)
        self._trace = TokenTrace()

    @torch.no_grad()
    def __call__(self, image: np.ndarray) -> Segmentation:
        """Segment an (H, W, 3) uint8 RGB image of any size.

        Scores of images above 2 megapixels are computed at 2 megapixels, and their labels enlarged.

        Raises:
            ValueError: the image is too small or too large for the test pipeline and the network.
        """
        small = shrunk(image, self.max_side)
        data = self._pipeline(small)
        sample, input_shape = data['data_samples'], tuple(data['inputs'].shape[-2:])
        shape = image.shape[:2]
        shrink = min(1, (MAX_SCORED_PIXELS / (shape[0] * shape[1])) ** 0.5)
        sample.set_metainfo(dict(ori_shape=tuple(max(1, round(side * shrink)) for side in shape)))
        batch = dict(inputs=[data['inputs']], data_samples=[sample])
        inputs = self.model.model.data_preprocessor(batch, False)['inputs']
        check_input(self.model, inputs)

        self._trace.drain()
        labels = self.model.model.test_step(batch)[0].pred_sem_seg.data[0].int().cpu().numpy()
        cost = cost_of(self._trace.drain())
        _, fine_mask = self.model.decide(inputs, input_shape)
        return Segmentation(resize(labels, shape), fine_mask, input_shape, cost, shrinking_note(image, small))

"""A trained model as one function of images and the gate's settings, for exporters."""

from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from ..analysis.model import AnalysedModel
from ..backbones import MSViT
from ..gates.fixed import RandomGate
from ..runtime.info import ModelInfo
from ..tokens import pad_to_multiple
from .errors import ExportError

OUTPUTS = ('labels', 'scores', 'fine_mask', 'p_fine', 'tokens')


class RuntimeModel(nn.Module):
    """Image in, labels and the gate's decisions out; threshold and budget may differ at every call.

    Args:
        model: a classifier or segmentor on `MSViT` or one of its kin.
        info: what the graph is to be: whether it normalises pixels itself, and of which mean, deviation and channels.

    Raises:
        ExportError: a part of the model cannot be exported.
    """

    def __init__(self, model: AnalysedModel, info: ModelInfo):
        super().__init__()
        check_exportable(model)
        self.model: Any = model.model  # its parts are what its config builds
        self.info = info
        self.backbone, self.segments = model.backbone, model.segments
        self.mean, self.std = (nn.Buffer(torch.tensor(values)[:, None, None]) for values in (info.mean, info.std))
        self.eval()

    def forward(
        self, images: Tensor, threshold: Tensor | None = None, budget: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Predict.

        Args:
            images: (B, 3, H, W): normalised, or pixels of 0..255, RGB, as ``info`` says.
            threshold: () float, a region is fine where p_fine exceeds it; what lies outside [0, 1] counts as the nearer end. 0
                makes every region fine. None: the model has no gate.
            budget: () int64, the most fine regions of an image.

        Returns:
            ``labels`` (B, H, W) or (B,) int64, ``scores`` before softmax (B, classes, h, w) or (B, classes), ``fine_mask``
            (B, Hc, Wc) bool, ``p_fine`` (B, Hc, Wc) and ``tokens`` (B,) int64.
        """
        if self.info.normalised_inside:
            images = images.flip(1) if self.info.channels == 'BGR' else images
            images = (images - self.mean) / self.std
        p_fine, fine_mask = self._decide(images, threshold, budget)
        features = self.backbone(images, fine_mask=fine_mask)
        if getattr(self.model, 'with_neck', False):
            features = self.model.neck(features)
        scores = self.model.decode_head(features) if self.segments else self.model.head(features)
        tokens = self.backbone.grid(images).active(fine_mask).sum(dim=1)
        return self._labels(scores, images), scores, fine_mask, p_fine, tokens

    def _decide(self, images: Tensor, threshold: Tensor | None, budget: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.backbone.gate is None or threshold is None or budget is None:
            return self.backbone.decide(images)
        p_fine = self.backbone.gate(pad_to_multiple(images, self.backbone.coarse_patch_size)).p_fine
        order = p_fine.flatten(1).sort(dim=1, descending=True, stable=True).indices
        within = (torch.arange(order.shape[1], device=order.device) < budget).expand_as(order)
        chosen = torch.zeros_like(within).scatter(1, order, within).reshape(p_fine.shape)
        # runtimes may round the least probabilities down to 0
        return p_fine, ((p_fine > threshold.clamp(0, 1)) | (threshold <= 0)) & chosen

    def _labels(self, scores: Tensor, images: Tensor) -> Tensor:
        if not self.segments:
            return scores.argmax(dim=1)
        head = self.model.decode_head
        large = F.interpolate(scores, images.shape[2:], mode='bilinear', align_corners=head.align_corners)
        return (large[:, 0].sigmoid() > head.threshold).long() if head.out_channels == 1 else large.argmax(dim=1)


def check_exportable(model: AnalysedModel) -> None:
    """Say which part of a model cannot be exported, and why.

    Raises:
        ExportError: there is one.
    """
    backbone = model.backbone
    if model.detects:
        raise ExportError(
            f'a {type(model.model).__name__} cannot be exported: its boxes are found by operators of mmcv that no exporter '
            'knows. Classifiers and segmentors can; of a detector, torch.export takes the backbone'
        )
    if not isinstance(backbone, MSViT):
        raise ExportError(
            f"the backbone's {type(backbone).__name__} cannot be exported: which windows hold a token depends on the image, "
            'and Python counts them. MSViT and its kin can'
        )
    if isinstance(backbone.gate, RandomGate):
        raise ExportError('the gate, a RandomGate, cannot be exported: graphs draw no reproducible random numbers')
    if model.segments:
        segmentor: Any = model.model
        head = type(segmentor.decode_head)
        plain = head.predict is BaseDecodeHead.predict and head.predict_by_feat is BaseDecodeHead.predict_by_feat
        if not plain:
            raise ExportError(
                f'the decode_head, a {head.__name__}, cannot be exported: it makes labels in a way of its own (predict), not '
                'by enlarging its scores'
            )

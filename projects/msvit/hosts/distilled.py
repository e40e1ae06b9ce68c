"""A mixed-scale classifier that learns from a dense one beside the labels."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from mmpretrain.models import ClsHead, ImageClassifier
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ..backbones import MSViT
from ..checks import check_choice, check_not_negative
from ..tokens import MixedTokens
from .distillation import TOKEN_LOSSES, class_distillation, token_distillation
from .teacher import FrozenTeacher, check_host


class DistilledClassifier(ImageClassifier):
    """mmpretrain's ``ImageClassifier``, trained as DynamicViT trains: near a frozen dense teacher, in the class
    probabilities and in the features of the tokens that are left at the end.

    Prediction is ``ImageClassifier``'s, and so are the checkpoints: they hold the student alone, and the teacher comes from
    the config. It sees the student's normalised and mixed images.

    Args:
        *args: as mmpretrain's ``ImageClassifier``. The backbone is one of msvit's ViTs with ``out_type='cls_token'``.
        teacher: ``dict(backbone=..., head=...)``, see `FrozenTeacher`. Its patches must be as large as the student's, and
            its tokens as wide.
        class_weight: of ``loss_distill_class``, KL(teacher || student), >= 0. DynamicViT takes 0.5 for both weights.
        token_weight: of ``loss_distill_tokens``, >= 0; 0: the tokens need not be comparable. A coarse token learns the mean
            over the fine cells that it stands for.
        token_loss: ``'mse'`` (DynamicViT on DeiT) or ``'kl'`` (its variant for softmax of features, on LV-ViT).
        **kwargs: as mmpretrain's ``ImageClassifier``.

    Raises:
        ValueError: a weight is negative, ``token_loss`` unknown, or student or teacher cannot do this; a teacher given by
            its config is looked at when training begins.
    """

    # what the config builds
    backbone: MSViT
    neck: nn.Module
    head: ClsHead

    def __init__(
        self,
        *args: Any,
        teacher: dict[str, Any] | ImageClassifier,
        class_weight: float = 0.5,
        token_weight: float = 0.5,
        token_loss: Literal['mse', 'kl'] = 'mse',
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        check_not_negative('class_weight', class_weight)
        check_not_negative('token_weight', token_weight)
        check_choice('token_loss', token_loss, TOKEN_LOSSES)
        check_host(self, 'DistilledClassifier')
        self.class_weight, self.token_weight, self.token_loss = class_weight, token_weight, token_loss
        self._teacher, self._compared = FrozenTeacher(teacher), False
        if not isinstance(teacher, dict):
            self._compare()

    @property
    def teacher(self) -> ImageClassifier:
        """The teacher, built if it is not yet; no submodule."""
        return self._teacher.module(next(self.backbone.parameters()))

    def init_weights(self) -> None:
        """Fetch the teacher too: OpenMMLab's runner calls this at the start of training."""
        super().init_weights()
        if self.class_weight or self.token_weight:
            self._compare()

    def loss(self, inputs: Tensor, data_samples: Sequence[DataSample]) -> dict[str, Tensor]:
        """The head's losses, ``loss_distill_class`` and ``loss_distill_tokens``.

        Args:
            inputs: (B, 3, H, W), preprocessed.
            data_samples: one for each image.

        Raises:
            ValueError: the teacher does not fit the student.
        """
        tokens = self.backbone.forward_tokens(inputs)
        feats: Any = (self.backbone.class_feature(tokens),)
        feats = self.neck(feats) if self.with_neck else feats
        losses = self.head.loss(feats, list(data_samples))
        if not (self.class_weight or self.token_weight):
            return losses
        self._compare()
        teacher_logits, teacher_tokens = self._teacher.teach(inputs)
        if self.class_weight:
            losses['loss_distill_class'] = self.class_weight * self._class_loss(self.head(feats), teacher_logits)
        if self.token_weight:
            losses['loss_distill_tokens'] = self.token_weight * self._token_loss(tokens, teacher_tokens)
        return losses

    def _class_loss(self, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        if logits.shape != teacher_logits.shape:
            raise ValueError(
                f'the teacher tells {teacher_logits.shape[-1]} classes apart, the student {logits.shape[-1]}: give both heads '
                'the same num_classes, or set class_weight=0'
            )
        return class_distillation(logits, teacher_logits)

    def _token_loss(self, tokens: MixedTokens, teacher_tokens: MixedTokens) -> Tensor:
        cells = teacher_tokens.index.cell_tokens(teacher_tokens.tokens())
        index = tokens.index
        targets = index.memory.select(index.grid.pool_cells(cells))
        weight = index.key_weight
        # weights are 0 or 1 but for the rounding of straight-through gradients
        kept = None if weight is None else index.memory.split(weight)[1] > 0.5
        return token_distillation(tokens.tokens(), targets, kept, self.token_loss)

    def _compare(self) -> None:
        """Refuse a teacher that does not fit the student, once."""
        if self._compared:
            return
        mine, its = _normalisation(self), _normalisation(self.teacher)
        if its and mine != its:
            raise ValueError(
                f'the teacher sees the images that the student sees, normalised by {mine}, but its data_preprocessor says '
                f'{its}: use the same, or drop it where that is meant'
            )
        student, teacher = self.backbone, self.teacher.backbone
        if self.token_weight and getattr(student, 'fuse_inattentive', False):
            raise ValueError(
                f'{type(student).__name__} fuses tokens from all over the image, for which the teacher has none: give it '
                'fuse_inattentive=False, or token_weight=0 to learn from the classes alone'
            )
        for name, meaning in (('patch_size', 'patches of {} pixels'), ('embed_dim', 'tokens of width {}')):
            mine, its = getattr(student, name), getattr(teacher, name)
            if mine != its and self.token_weight:
                raise ValueError(
                    f'the teacher has {meaning.format(its)}, the student {meaning.format(mine)}: name a teacher whose arch '
                    "has the student's, or set token_weight=0 to learn from its classes alone"
                )
        self._compared = True

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> 'DistilledClassifier':
        self._teacher.apply(fn, recurse)
        return super()._apply(fn, recurse)


def _normalisation(classifier: ImageClassifier) -> dict[str, Any]:
    """Tell what a preprocessor does to colours; nothing if it does not normalise."""
    preprocessor = classifier.data_preprocessor
    if not hasattr(preprocessor, 'mean'):
        return {}
    mean, std = (getattr(preprocessor, name).flatten().tolist() for name in ('mean', 'std'))
    return dict(mean=mean, std=std, to_rgb=preprocessor.to_rgb)

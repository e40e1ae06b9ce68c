"""Refusing at the start what would otherwise fail late, or never."""

from collections.abc import Collection, Iterable
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from mmpretrain.models.heads import ClsHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import nn

from ..checkpoints import CheckpointError
from ..checkpoints.finite import not_finite


class ConsistencyHook(Hook):
    """Compare model, data and checkpoint of a run; the command-line tools add it to every run.

    Raises:
        ValueError: a segmentation or classification head has another number of classes than the data.
        CheckpointError: most of the model, and most of its backbone, find no weights in the checkpoint. mmengine alone would
            warn and go on, as it does where only the head is new. Or weights are NaN or infinite.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        _check_classes(runner, runner.train_dataloader.dataset)
        if runner.val_loop is not None:  # now, not after hours of training
            _check_classes(runner, runner.val_dataloader.dataset)

    def before_val(self, runner: Runner) -> None:
        _check_classes(runner, runner.val_dataloader.dataset)

    def before_test(self, runner: Runner) -> None:
        _check_classes(runner, runner.test_dataloader.dataset)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        weights = checkpoint.get('state_dict', checkpoint)
        weights = {name.removeprefix('module.'): value for name, value in weights.items()}
        if wrong := not_finite(weights):
            raise CheckpointError(
                f'the checkpoint holds NaN or infinite values, in {len(wrong)} of {len(weights)} tensors: {_first(wrong)}. '
                'Its training has diverged: take an earlier checkpoint'
            )
        # a new gate is no sign of another model, though a small ViT has fewer tensors than it
        wanted = {name: value for name, value in _host(runner).state_dict().items() if '.gate' not in name}
        fitting = [name for name, value in wanted.items() if getattr(weights.get(name), 'shape', None) == value.shape]
        shares = [_share_of(names, fitting) for names in (wanted, [name for name in wanted if name.startswith('backbone.')])]
        if max(shares) < 0.5:
            raise CheckpointError(
                f"the checkpoint fits only {len(fitting)} of the model's {len(wanted)} tensors. It begins with "
                f'{_first(weights)}; the model with {_first(wanted)}. The weights of a whole model of this architecture are '
                'needed here, with this head or another; those of a ViT alone belong in model.backbone.pretrained'
            )


def _check_classes(runner: Runner, dataset: object) -> None:
    classes = getattr(dataset, 'metainfo', {}).get('classes')
    heads = [module for module in _host(runner).modules() if isinstance(module, (BaseDecodeHead, ClsHead))]
    for head in heads:
        # a single output channel is mmseg's way of two classes; some of mmpretrain's heads classify nothing
        single = getattr(head, 'out_channels', None) == 1
        if classes and not single and getattr(head, 'num_classes', len(classes)) != len(classes):
            raise ValueError(
                f'{type(head).__name__} has num_classes={head.num_classes}, but the {len(classes)} classes of '
                f'{type(dataset).__name__} are {_first(classes)}: set num_classes={len(classes)} in the config, or the '
                "data set's metainfo"
            )


def _share_of(names: Collection[str], fitting: Collection[str]) -> float:
    return len(set(names) & set(fitting)) / max(len(names), 1)


def _first(names: Iterable[str]) -> str:
    names = list(names)
    return ', '.join(names[:3]) + (', ...' if len(names) > 3 else '')


def _host(runner: Runner) -> nn.Module:
    model: Any = runner.model
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model

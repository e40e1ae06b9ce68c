"""The input size of a config, which stands in many of its places."""

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.config import Config

from ..backbones.gated import GatedBackbone
from ..parts import class_name

# What of each transform is a size in pixels.
_SIZES = {
    'CenterCrop': ('crop_size',),
    'EfficientNetCenterCrop': ('crop_size',),
    'EfficientNetRandomCrop': ('scale',),
    'Pad': ('size',),
    'RandomChoiceResize': ('scales',),
    'RandomCrop': ('crop_size', 'padding'),
    'RandomResize': ('scale',),
    'RandomResizedCrop': ('scale',),
    'Resize': ('scale',),
    'ResizeEdge': ('scale',),
    'ResizeShortestEdge': ('scale', 'max_size'),
}
# These do not say how large the image comes out: it keeps its aspect, or the size is drawn.
_LOOSE = ('RandomChoiceResize', 'RandomResize', 'ResizeEdge', 'ResizeShortestEdge')


def native_size(cfg: Config, backbone: GatedBackbone) -> tuple[int, int]:
    """(height, width) in pixels of what a config's model sees at test, or in training where the images to test differ in size.

    Args:
        cfg: of the model.
        backbone: of the model; the size of its position embeddings stands in where the config says none.
    """
    test_cfg = cfg.model.get('test_cfg') or {}
    if test_cfg.get('mode') == 'slide':
        return pair(test_cfg['crop_size'])
    transforms = _transforms_of((cfg.get('test_dataloader') or {}).get('dataset'))
    if transforms and (size := _decided_size(transforms[-1][0])):
        width, height = pair(size)  # the order of mmcv's transforms
        return height, width
    preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    return pair(preprocessor.get('size') or backbone.patch_embed.img_size)


def set_input_size(cfg: Config, size: int) -> None:
    """Change a config to square inputs of another size, in place: backbone, gate loss, preprocessor, pipelines and windows.

    Sizes in the pipelines and of sliding windows grow by ``size / img_size``, so that the resizing before a crop keeps its
    proportion to it. A config that already has this size stays as it is.

    Args:
        cfg: of a model with ``model.backbone.img_size``, the side of its training images in pixels.
        size: side of the new inputs in pixels, >= 1.

    Raises:
        ValueError: ``size`` is no positive int; ``img_size`` is no single number, or not the size of the training images; a
            data loader reads images at their own size, so that nothing in its pipeline could change it. The config is then
            unchanged.
    """
    backbone = cfg.model.backbone
    old = backbone.get('img_size')
    if not isinstance(size, int) or size < 1:
        raise ValueError(f'the input size must be a positive int, got {size!r}')
    if not isinstance(old, int):
        raise ValueError(f'model.backbone.img_size is {old!r}: the input size can be changed where it is one int, for squares')
    if size == old:
        return
    transforms = _checked_transforms(cfg, old)

    backbone.img_size = size
    gate_loss = backbone.get('gate_loss') or {}
    for loss in gate_loss if isinstance(gate_loss, list | tuple) else [gate_loss]:
        if 'grid' in loss:
            regions = -(-size // backbone.get('coarse_patch_size', 32))
            loss['grid'] = (regions, regions)
    for preprocessor in (cfg.get('data_preprocessor'), cfg.model.get('data_preprocessor')):
        if preprocessor and preprocessor.get('size') is not None:
            preprocessor['size'] = (size, size)
    windows = cfg.model.get('test_cfg') or {}
    variables = ('img_size', 'crop_size')  # by which the project's configs name it; for whoever reads a dumped config
    for owner, keys in [*transforms, (windows, ('crop_size', 'stride')), (cfg, variables)]:
        owner.update({key: _scaled(owner[key], size / old) for key in keys if key in owner})


def _checked_transforms(cfg: Config, old: int) -> list[tuple[dict, tuple[str, ...]]]:
    """Every transform that holds a size, once, with the keys of its sizes.

    After loading, ``train_pipeline`` and the pipeline of ``train_dataloader`` are two objects; two data loaders may be one.
    """
    found = []
    for split in ('train', 'val', 'test'):
        dataset = (cfg.get(f'{split}_dataloader') or {}).get('dataset')
        if dataset is None:
            continue
        transforms = _transforms_of(dataset)
        if not transforms:
            raise ValueError(
                f'no transform of {split}_dataloader determines the size of its images, which come at their own: to train at '
                f"other sizes than {old}, let its pipeline resize them, e.g. with dict(type='Resize', scale={old})"
            )
        if split == 'train':
            _check_training_size(transforms[-1][0], old)
        found += transforms
    for name, value in cfg.items():
        if name.endswith('_pipeline'):
            found += sized_transforms(value)
    return list({id(transform): (transform, keys) for transform, keys in found}.values())


def _check_training_size(transform: dict, old: int) -> None:
    """The last transform with a size decides what the backbone sees."""
    size = _decided_size(transform)
    if size is not None and size not in (old, (old, old), [old, old]):
        raise ValueError(
            f'{class_name(transform)} makes training images of {size} pixels, and model.backbone.img_size is {old}: the input '
            'size can be changed where both say the same square'
        )


def _pipelines(dataset: Any) -> Iterator[list]:
    """The pipelines of a dataset's config, also within wrappers."""
    if isinstance(dataset, dict):
        for key, value in dataset.items():
            if key == 'pipeline':
                yield value
            elif key in ('dataset', 'datasets'):
                yield from _pipelines(value)
    elif isinstance(dataset, (list, tuple)):
        for item in dataset:
            yield from _pipelines(item)


def sized_transforms(pipeline: Any) -> Iterator[tuple[dict, tuple[str, ...]]]:
    """The transforms of a pipeline that hold a size, with its keys, also within transforms that choose or repeat others."""
    if isinstance(pipeline, (list, tuple)):
        for item in pipeline:
            yield from sized_transforms(item)
    elif isinstance(pipeline, dict):
        keys = _SIZES.get(class_name(pipeline), ())
        if keys and pipeline.get(keys[0]) is not None:
            yield pipeline, keys
        yield from sized_transforms(pipeline.get('transforms'))


def _transforms_of(dataset: Any) -> list[tuple[dict, tuple[str, ...]]]:
    """`sized_transforms` of all pipelines of a dataset's config."""
    return [item for pipeline in _pipelines(dataset) for item in sized_transforms(pipeline)]


def _decided_size(transform: dict) -> int | Sequence[int] | None:
    """The size of the images that a transform makes; None where they keep their aspect, or the size is drawn."""
    name = class_name(transform)
    return None if name in _LOOSE or transform.get('keep_ratio') else transform[_SIZES[name][0]]


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """The two sides of a size that may be that of a square."""
    first, second = (size, size) if isinstance(size, int) else size
    return first, second


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_scaled(item, factor) for item in value)
    # below 1 stand a padding of 0, and -1 for a side left open
    return max(1, round(value * factor)) if isinstance(value, int) and value > 0 else value

"""Load weights of any supported origin into a ViT with timm's names, a Segmenter head with mmseg's, or a classifier."""

import torch
from torch import Tensor, nn

from .keys import detect_origin, to_mmpretrain_classifier, to_mmseg_segmenter_head, to_timm_vit
from .matching import PATCH, LoadReport, Source, State, assign, drop_groups, fit_patch, load_network, resolve
from .resize import Grid, fit_positions

PATCH_BIAS = 'patch_embed.proj.bias'


def load_vit(
    model: nn.Module,
    source: Source,
    *,
    strict: bool = True,
    prefix: str = '',
    arch: str = '',
    grid: Grid | None = None,
    source_grid: Grid | None = None,
    mode: str = 'bicubic',
    resample_patch: bool = False,
    fresh: tuple[str, ...] = ('gate.', 'gate_loss.'),
    keep: tuple[str, ...] = (),
) -> LoadReport:
    """Load a ViT checkpoint of timm, DeiT, DINOv2, mmpretrain, mmseg, Segmenter or msvit into a model with timm's names.

    All or nothing: where the checkpoint does not fit, the model is left as it was. What it did goes to the log.

    Args:
        model: ViT whose parameters have timm's names.
        source: File, http(s) address, tensors by name, or True for timm's own weights of ``arch``.
        strict: Refuse a checkpoint that leaves parameters of the model without weights or has tensors that fit nowhere;
            False loads what fits and logs the rest as a warning. Classifiers are never wanted and never an error.
        prefix: Take only tensors below this prefix, e.g. ``visual.trunk.``; ``backbone.`` and ``encoder.`` are found unaided.
        arch: timm's name of the architecture, for ``source=True`` alone.
        grid: (H, W) patches that the model's position embeddings are laid out for; None: ``model.patch_embed.grid_size``.
        source_grid: (h, w) patches of the checkpoint; None: inferred, see :func:`msvit.checkpoints.fit_positions`.
        mode: Interpolation of position embeddings, ``bicubic`` (timm's choice) or ``bilinear`` (the paper's).
        resample_patch: Resample the patch embedding to the model's patch size instead of refusing another size.
        fresh: Prefixes of parameters that a plain ViT lacks, such as the gate and its loss. They keep their initial values if
            the checkpoint has none of that prefix, and are not used if the model has none.
        keep: Prefixes of parameters that stay as they are, whatever the checkpoint has.

    Returns:
        What was loaded, resized and left aside.

    Raises:
        FileNotFoundError: No such file.
        CheckpointError: Unreadable or unsafe file, unknown layout, or, if strict, weights that do not fit; lists every name.
    """

    def fit(state: State, target: State, report: LoadReport) -> None:
        fit_patch(state, target, report, resample_patch)
        if report.origin == 'mmseg' and PATCH_BIAS not in state and PATCH_BIAS in target:
            state[PATCH_BIAS] = torch.zeros(state[PATCH].shape[0])  # mmseg's ViT has none by default
            report.notes.append('patch embedding has no bias in the checkpoint: zeros taken')
        if 'pos_embed' in state and 'pos_embed' in target:
            fitted, notes = fit_positions(state, target, grid or _grid_of(model, target), source_grid=source_grid, mode=mode)
            state.clear()
            state.update(fitted)
            report.notes += notes

    return load_network(
        model, source, detect_origin, to_timm_vit, fit, arch=arch, strict=strict, prefix=prefix, fresh=fresh, keep=keep
    )


def load_segmenter_head(head: nn.Module, source: Source, *, strict: bool = True) -> LoadReport:
    """Load the mask transformer of a whole Segmenter, official, of mmseg or of msvit, into a head with mmseg's names.

    Args:
        head: ``SegmenterMaskTransformerHead`` or ``MixedScaleSegmenterHead``.
        source: File, http(s) address, or tensors by name.
        strict: See :func:`load_vit`.

    Returns:
        What was loaded.

    Raises:
        FileNotFoundError: No such file.
        CheckpointError: Unreadable or unsafe file, no mask transformer in it, or, if strict, weights that do not fit.
    """
    if source is True:
        raise ValueError('timm has no weights of a Segmenter head: give a checkpoint of a whole Segmenter')
    state, label = resolve(source)
    origin = 'mmseg' if any(name.startswith('decode_head.') for name in state) else 'segmenter'
    return assign(head, to_mmseg_segmenter_head(state), head.state_dict(), LoadReport(label, origin), strict)


def load_classifier(head: nn.Module, source: Source, *, arch: str = '') -> LoadReport:
    """Load the linear classifier of a whole ViT or Swin into one of mmpretrain's heads.

    That of a distillation token too, where the head has a second one.

    Args:
        head: ``VisionTransformerClsHead`` without hidden layer, or ``DeiTClsHead``.
        source: File, http(s) address, tensors by name, or True for timm's own weights of ``arch``.
        arch: timm's name of the architecture, for ``source=True`` alone.

    Returns:
        What was loaded.

    Raises:
        FileNotFoundError: No such file.
        CheckpointError: Unreadable or unsafe file, no classifier in it, or one of another shape.
    """
    state, label = resolve(source, arch)
    of_mm = any(name.startswith(('backbone.', 'head.layers.')) for name in state)
    report = LoadReport(label, 'mmpretrain' if of_mm else 'timm')
    state, target = to_mmpretrain_classifier(state), head.state_dict()
    drop_groups(state, target, ('layers.head_dist.',), report)
    return assign(head, state, target, report, strict=True)


def _grid_of(model: nn.Module, target: dict[str, Tensor]) -> Grid:
    grid = getattr(getattr(model, 'patch_embed', None), 'grid_size', None)
    if grid is None:
        raise ValueError(
            f'{type(model).__name__} does not say the grid of its {target["pos_embed"].shape[1]} positions: state grid'
        )
    height, width = grid
    return height, width

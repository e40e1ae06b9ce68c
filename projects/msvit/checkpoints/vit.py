"""Load weights of any supported origin into a ViT with timm's names."""

import torch
from torch import nn

from .matching import PATCH, load_network
from .positions import Grid, fit_positions
from .report import LoadReport, State
from .sources import Source, resolve
from .vit_names import detect_origin, to_timm_vit

_PATCH_BIAS = 'patch_embed.proj.bias'


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

    def fit(state: State, target: State, report: LoadReport) -> State:
        if report.origin == 'mmseg' and _PATCH_BIAS not in state and _PATCH_BIAS in target:
            state[_PATCH_BIAS] = torch.zeros(state[PATCH].shape[0])  # mmseg's ViT has none by default
            report.notes.append('patch embedding has no bias in the checkpoint: zeros taken')
        if 'pos_embed' in state and 'pos_embed' in target:
            wanted = grid or _grid_of(model, target)
            state, notes = fit_positions(state, target, wanted, source_grid=source_grid, mode=mode)
            report.notes += notes
        return state

    found = resolve(source, arch, prefix)
    return load_network(
        model, found, detect_origin, to_timm_vit, fit, strict=strict, fresh=fresh, keep=keep, resample_patch=resample_patch
    )


def _grid_of(model: nn.Module, target: State) -> Grid:
    grid = getattr(getattr(model, 'patch_embed', None), 'grid_size', None)
    if grid is None:
        raise ValueError(
            f'{type(model).__name__} does not say the grid of its {target["pos_embed"].shape[1]} positions: state grid'
        )
    height, width = grid
    return height, width

"""Load weights of any supported origin into a ViT with timm's names, a Segmenter head with mmseg's, or a classifier."""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import timm
import torch
from timm.layers import resample_patch_embed
from torch import Tensor, nn

from ..logs import log
from ..losses.priors import resize_prior_logit
from .errors import CheckpointError
from .finite import check_weights
from .io import read_checkpoint
from .keys import detect_origin, split_backbone, to_mmpretrain_classifier, to_mmseg_segmenter_head, to_timm_vit
from .resize import Grid, fit_positions

Source = str | os.PathLike | bool | dict[str, Tensor]

# Classifiers, and the pooling before them, of a checkpoint: of no use to a backbone.
CLASSIFIER = ('head.', 'head_dist.', 'pre_logits.', 'fc_norm.', 'attn_pool.')
PRIORS = re.compile(r'gate_loss\.(?:\d+\.)?prior_logit')
PATCH, PATCH_BIAS = 'patch_embed.proj.weight', 'patch_embed.proj.bias'


@dataclass
class LoadReport:
    """What became of a checkpoint's tensors.

    Attributes:
        source: File, address or kind of source.
        origin: Layout of the names, see :func:`msvit.checkpoints.detect_origin`.
        loaded: Names in the model that received weights.
        missing: Names in the model that the checkpoint lacks; an error if strict.
        unexpected: Names in the checkpoint (timm's form) that the model lacks; an error if strict.
        misshaped: Names with both shapes; an error if strict.
        notes: What was resized, left aside or starts fresh, in words.
    """

    source: str
    origin: str
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshaped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every tensor has found its place."""
        return not (self.missing or self.unexpected or self.misshaped)

    def __str__(self) -> str:
        lines = [f'{len(self.loaded)} tensors loaded from {self.source} ({self.origin} layout)']
        lines += [f'  {note}' for note in self.notes]
        return '\n'.join(lines + self.problems())

    def problems(self) -> list[str]:
        """The misfits, one line each, every name in full."""
        lines = []
        for title in ('missing', 'unexpected', 'misshaped'):
            names = getattr(self, title)
            if names:
                lines.append(f'  {title} ({len(names)}):')
                lines += [f'    {name}' for name in names]
        return lines


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
    state, label = _resolve(source, arch, prefix)
    report = LoadReport(label, detect_origin(state))
    _note_aside(state, report)

    target = model.state_dict()
    state = to_timm_vit(state)
    _drop_group(state, target, CLASSIFIER, report)
    target = _leave_alone(state, target, keep, report)
    _drop_group(state, target, fresh, report)
    if PATCH in state and PATCH in target:
        state[PATCH] = _fit_patch(state[PATCH], target[PATCH], resample_patch, label, report)
    if report.origin == 'mmseg' and PATCH_BIAS not in state and PATCH_BIAS in target:
        state[PATCH_BIAS] = torch.zeros(state[PATCH].shape[0])  # mmseg's ViT has none by default
        report.notes.append('patch embedding has no bias in the checkpoint: zeros taken')
    if 'pos_embed' in state and 'pos_embed' in target:
        grid = grid or _grid_of(model, target)
        state, notes = fit_positions(state, target, grid, source_grid=source_grid, mode=mode)
        report.notes += notes
    _fit_priors(state, target, report)
    target = _keep_fresh(state, target, fresh, report)
    return _assign(model, state, target, report, strict)


def load_segmenter_head(head: nn.Module, source: str | os.PathLike | dict[str, Tensor], *, strict: bool = True) -> LoadReport:
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
    state, label = _resolve(source)
    origin = 'mmseg' if any(name.startswith('decode_head.') for name in state) else 'segmenter'
    return _assign(head, to_mmseg_segmenter_head(state), head.state_dict(), LoadReport(label, origin), strict)


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
    state, label = _resolve(source, arch)
    of_mm = any(name.startswith(('backbone.', 'head.layers.')) for name in state)
    report = LoadReport(label, 'mmpretrain' if of_mm else 'timm')
    state, target = to_mmpretrain_classifier(state), head.state_dict()
    _drop_group(state, target, ('layers.head_dist.',), report)
    return _assign(head, state, target, report, strict=True)


def _resolve(source: Source, arch: str = '', prefix: str = '') -> tuple[dict[str, Tensor], str]:
    """The tensors of a source below a prefix, and what to call it in messages."""
    if source is False or source is None:
        raise TypeError(f'a source of weights is a path, an address, tensors by name or True, got {source}')
    if isinstance(source, dict):
        state, label = source, 'the given tensors'
    elif source is True:
        state, label = _timm_weights(arch), f'timm {arch}'
    else:
        state, label = read_checkpoint(source), str(source)
    if prefix:
        state = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if not state:
            raise CheckpointError(f'{label} has no tensor whose name begins with {prefix!r}')
    return state, label


def _timm_weights(arch: str) -> dict[str, Tensor]:
    if not arch:
        raise ValueError(
            "timm's own weights (True) need the name of a timm architecture: state arch, or give a checkpoint file"
        )
    if not timm.is_model(arch):
        raise ValueError(f'timm has no architecture {arch!r}; give the path of a checkpoint instead of True')
    log(f"Fetching timm's weights of {arch}, unless they are there")
    hub = logging.getLogger('huggingface_hub')  # tells of every retry, a dozen times
    level = hub.level
    try:
        hub.setLevel(logging.ERROR)
        return timm.create_model(arch, pretrained=True).state_dict()
    except Exception as error:  # each version of the hub's client has errors of its own
        raise CheckpointError(
            f"cannot get timm's weights of {arch} ({type(error).__name__}: {error}). They come over the network: "
            'where there is none, fetch the file elsewhere and give its path instead of True; or set pretrained=None where a '
            'trained model is loaded anyway'
        ) from error
    finally:
        hub.setLevel(level)


def _grid_of(model: nn.Module, target: dict[str, Tensor]) -> Grid:
    grid = getattr(getattr(model, 'patch_embed', None), 'grid_size', None)
    if grid is None:
        raise ValueError(
            f'{type(model).__name__} does not say the grid of its {target["pos_embed"].shape[1]} positions: state grid'
        )
    return tuple(grid)


def _note_aside(state: dict[str, Tensor], report: LoadReport) -> None:
    _, aside = split_backbone(state)
    if aside:
        groups = sorted({name.split('.')[0] for name in aside})
        report.notes.append(f'left aside, not of the backbone: {", ".join(f"{group}.*" for group in groups)}')


def _drop_group(state: dict[str, Tensor], target: dict[str, Tensor], prefixes: Sequence[str], report: LoadReport) -> None:
    """Take out of the state what the model has no such part for."""
    for prefix in prefixes:
        names = [name for name in state if name.startswith(prefix)]
        if names and not any(name.startswith(prefix) for name in target):
            for name in names:
                del state[name]
            report.notes.append(f'{prefix}* not used: the model has no such part')


def _fit_patch(weight: Tensor, target: Tensor, resample: bool | None, label: str, report: LoadReport) -> Tensor:
    """The patch embedding in the model's patch size; ``resample`` None: the caller has no such option to advise."""
    size, wanted = tuple(weight.shape[2:]), tuple(target.shape[2:])
    if size == wanted:
        return weight
    words = f'{"x".join(map(str, size))} in {label}, {"x".join(map(str, wanted))} in the model'
    if not resample:
        advice = '' if resample is None else ', or pass resample_patch=True to resample it'
        raise CheckpointError(f'patch size {words}: choose the same patch size{advice}')
    report.notes.append(f'patch embedding resampled: {words}')
    return resample_patch_embed(weight.float(), list(wanted))


def _fit_priors(state: dict[str, Tensor], target: dict[str, Tensor], report: LoadReport) -> None:
    """Resize the gate loss's learned priors to the model's grid of regions."""
    for name in filter(PRIORS.fullmatch, state.keys() & target.keys()):
        if state[name].shape != target[name].shape:
            given, wanted = ('x'.join(map(str, tensors[name].shape)) for tensors in (state, target))
            state[name] = resize_prior_logit(state[name], tuple(target[name].shape))
            report.notes.append(f'learned priors resized from {given} to {wanted} regions (bilinear)')


def _leave_alone(
    state: dict[str, Tensor], target: dict[str, Tensor], prefixes: tuple[str, ...], report: LoadReport
) -> dict[str, Tensor]:
    """Take these groups out of the state; returns the model's tensors without them."""
    for name in [name for name in state if name.startswith(prefixes)]:
        del state[name]
    kept = [prefix for prefix in prefixes if any(name.startswith(prefix) for name in target)]
    report.notes += [f'{prefix}* kept as it is' for prefix in kept]
    return {name: value for name, value in target.items() if not name.startswith(prefixes)}


def _keep_fresh(
    state: dict[str, Tensor], target: dict[str, Tensor], groups: Sequence[str], report: LoadReport
) -> dict[str, Tensor]:
    """The model's tensors without those groups that keep their initial values because the checkpoint has none."""
    for group in groups:
        if not any(name.startswith(group) for name in state):
            wanted = [name for name in target if name.startswith(group)]
            target = {name: value for name, value in target.items() if name not in wanted}
            if wanted:
                report.notes.append(f'{group}* starts fresh: the checkpoint has none')
    return target


def _assign(
    model: nn.Module, state: dict[str, Tensor], target: dict[str, Tensor], report: LoadReport, strict: bool
) -> LoadReport:
    report.missing = [name for name in target if name not in state]
    report.unexpected = [name for name in state if name not in target]
    report.misshaped = [
        f'{name}: {tuple(state[name].shape)} in the checkpoint, {tuple(value.shape)} in the model'
        for name, value in target.items()
        if name in state and state[name].shape != value.shape
    ]
    if strict and not report.complete:
        lines = [f'{report.source} ({report.origin} layout) does not fit {type(model).__name__}:', *report.problems()]
        raise CheckpointError('\n'.join(lines))
    fitting = {name: state[name] for name, value in target.items() if name in state and state[name].shape == value.shape}
    check_weights(fitting, target, report.source)
    model.load_state_dict(fitting, strict=False)  # copies into the model's precision
    report.loaded = list(fitting)
    log(str(report), logging.INFO if report.complete else logging.WARNING)
    return report

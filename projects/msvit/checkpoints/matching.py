"""Bringing the tensors of a checkpoint together with those of a model, and the report of it."""

import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import timm
from timm.layers import resample_patch_embed
from torch import Tensor, nn

from ..logs import log
from ..losses.priors import resize_prior_logit
from .errors import CheckpointError
from .finite import check_weights
from .io import read_checkpoint
from .keys import split_backbone

Source = str | os.PathLike | bool | dict[str, Tensor]
State = dict[str, Tensor]

# Classifiers, and the pooling before them, of a checkpoint: of no use to a backbone.
CLASSIFIER = ('head.', 'head_dist.', 'pre_logits.', 'fc_norm.', 'attn_pool.')
PRIORS = re.compile(r'gate_loss\.(?:\d+\.)?prior_logit')
PATCH = 'patch_embed.proj.weight'


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
        """List the misfits, one line each, every name in full."""
        lines = []
        for title in ('missing', 'unexpected', 'misshaped'):
            names = getattr(self, title)
            if names:
                lines.append(f'  {title} ({len(names)}):')
                lines += [f'    {name}' for name in names]
        return lines


def load_network(
    model: nn.Module,
    source: Source,
    detect: Callable[[State], str],
    rename: Callable[[State], State],
    fit: Callable[[State, State, LoadReport], None],
    *,
    arch: str,
    strict: bool,
    prefix: str,
    fresh: tuple[str, ...],
    keep: tuple[str, ...],
) -> LoadReport:
    """Load a network, as `load_vit` and `load_swin` say.

    Args:
        detect: tells a state's layout.
        rename: gives a state timm's names.
        fit: changes the sizes of a state's tensors to those of the model's; called with both and the report.

    The other arguments, what it returns and raises are those of `load_vit`.
    """
    state, label = resolve(source, arch, prefix)
    report = LoadReport(label, detect(state))
    _note_aside(state, report)
    state = rename(state)
    target = _leave_alone(state, model.state_dict(), keep, report)
    groups = _parted(fresh, state, target)
    drop_groups(state, target, (*CLASSIFIER, *groups), report)
    fit(state, target, report)
    _fit_priors(state, target, report)
    target = _keep_fresh(state, target, groups, report)
    return assign(model, state, target, report, strict)


def drop_groups(state: State, target: State, prefixes: Sequence[str], report: LoadReport) -> None:
    """Take out of the state what the model has no such part for."""
    for prefix in prefixes:
        names = [name for name in state if name.startswith(prefix)]
        if names and not any(name.startswith(prefix) for name in target):
            for name in names:
                del state[name]
            report.notes.append(f'{prefix}* not used: the model has no such part')


def fit_patch(state: State, target: State, report: LoadReport, resample: bool | None = None) -> None:
    """Bring the patch embedding to the model's patch size; ``resample`` None: the caller has no such option to advise.

    Raises:
        CheckpointError: another patch size, and no ``resample``.
    """
    if PATCH not in state or PATCH not in target:
        return
    size, wanted = state[PATCH].shape[2:], target[PATCH].shape[2:]
    if size == wanted:
        return
    words = f'{"x".join(map(str, size))} in {report.source}, {"x".join(map(str, wanted))} in the model'
    if not resample:
        advice = '' if resample is None else ', or pass resample_patch=True to resample it'
        raise CheckpointError(f'patch size {words}: choose the same patch size{advice}')
    report.notes.append(f'patch embedding resampled: {words}')
    state[PATCH] = resample_patch_embed(state[PATCH].float(), list(wanted))


def assign(model: nn.Module, state: State, target: State, report: LoadReport, strict: bool) -> LoadReport:
    """Copy a state into a model and log what became of it; if strict, raise CheckpointError unless all of it fits."""
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


def _note_aside(state: dict[str, Tensor], report: LoadReport) -> None:
    _, aside = split_backbone(state)
    if aside:
        groups = sorted({name.split('.')[0] for name in aside})
        report.notes.append(f'left aside, not of the backbone: {", ".join(f"{group}.*" for group in groups)}')


def _parted(fresh: tuple[str, ...], state: State, target: State) -> list[str]:
    """Part ``out_norms.`` into its norms where both sides have some: they may have been read out after other stages."""
    found = [{norm[0] for name in names if (norm := re.match(r'out_norms\.\d+\.', name))} for names in (state, target)]
    if not all(found):
        return list(fresh)
    norms = sorted(set.union(*found))
    return [group for prefix in fresh for group in (norms if prefix == 'out_norms.' else [prefix])]


def _fit_priors(state: State, target: State, report: LoadReport) -> None:
    """Resize the gate loss's learned priors to the model's grid of regions."""
    for name in filter(PRIORS.fullmatch, state.keys() & target.keys()):
        if state[name].shape != target[name].shape:
            given, wanted = ('x'.join(map(str, tensors[name].shape)) for tensors in (state, target))
            height, width = target[name].shape
            state[name] = resize_prior_logit(state[name], (height, width))
            report.notes.append(f'learned priors resized from {given} to {wanted} regions (bilinear)')


def _leave_alone(state: State, target: State, prefixes: tuple[str, ...], report: LoadReport) -> dict[str, Tensor]:
    """Take these groups out of the state; returns the model's tensors without them."""
    for name in [name for name in state if name.startswith(prefixes)]:
        del state[name]
    kept = [prefix for prefix in prefixes if any(name.startswith(prefix) for name in target)]
    report.notes += [f'{prefix}* kept as it is' for prefix in kept]
    return {name: value for name, value in target.items() if not name.startswith(prefixes)}


def _keep_fresh(state: State, target: State, groups: Sequence[str], report: LoadReport) -> dict[str, Tensor]:
    """The model's tensors without those groups that keep their initial values because the checkpoint has none."""
    for group in groups:
        if not any(name.startswith(group) for name in state):
            wanted = [name for name in target if name.startswith(group)]
            target = {name: value for name, value in target.items() if name not in wanted}
            if wanted:
                report.notes.append(f'{group}* starts fresh: the checkpoint has none')
    return target


def resolve(source: Source, arch: str = '', prefix: str = '') -> tuple[dict[str, Tensor], str]:
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

"""Bringing the tensors of a checkpoint together with those of a model."""

import re
from collections.abc import Callable, Iterable

from timm.layers import resample_patch_embed
from torch import nn

from ..losses.priors import resize_prior_logit
from .errors import CheckpointError
from .names import split_backbone
from .report import LoadReport, State, assign

# Classifiers, and the pooling before them, of a checkpoint: of no use to a backbone.
_CLASSIFIER = ('head.', 'head_dist.', 'pre_logits.', 'fc_norm.', 'attn_pool.')
_PRIORS = re.compile(r'gate_loss\.(?:\d+\.)?prior_logit')
PATCH = 'patch_embed.proj.weight'


def load_network(
    model: nn.Module,
    found: tuple[State, str],
    detect: Callable[[State], str],
    to_timm: Callable[[State], State],
    fit: Callable[[State, State, LoadReport], State],
    *,
    strict: bool,
    fresh: tuple[str, ...],
    keep: tuple[str, ...],
    resample_patch: bool | None = None,
) -> LoadReport:
    """Load a network, as `load_vit` and `load_swin` say; the other arguments and what it raises are those of `load_vit`.

    Args:
        found: the checkpoint's tensors by name, and what to call it.
        detect: tells a state's layout.
        to_timm: gives a state timm's names.
        fit: changes the sizes of a state's tensors to those of the model's; called with both and the report.
        resample_patch: None: the caller has no such option to advise.
    """
    state, label = found
    report = LoadReport(label, detect(state))
    if aside := sorted({name.split('.')[0] for name in split_backbone(state)[1]}):
        report.notes.append(f'left aside, not of the backbone: {", ".join(f"{group}.*" for group in aside)}')
    target = model.state_dict()
    report.notes += [f'{group}* kept as it is' for group in keep if _has(target, group)]
    state, target = _without(keep, to_timm(state)), _without(keep, target)
    groups = _part_norms(fresh, state, target)
    absent = [group for group in groups if _has(target, group) and not _has(state, group)]
    target = _without(absent, target)
    state = drop_unused((*_CLASSIFIER, *groups), state, target, report)
    _fit_patch(state, target, report, resample_patch)
    state = fit(state, target, report)
    _fit_priors(state, target, report)
    report.notes += [f'{group}* starts fresh: the checkpoint has none' for group in absent]
    return assign(model, state, target, report, strict)


def drop_unused(groups: Iterable[str], state: State, target: State, report: LoadReport) -> State:
    """Take out of a state the groups of tensors that the model has no such part for."""
    unused = [group for group in groups if _has(state, group) and not _has(target, group)]
    report.notes += [f'{group}* not used: the model has no such part' for group in unused]
    return _without(unused, state)


def _without(groups: Iterable[str], tensors: State) -> State:
    """Return the tensors whose names begin with none of these."""
    return {name: value for name, value in tensors.items() if not name.startswith(tuple(groups))}


def _has(names: Iterable[str], group: str) -> bool:
    return any(name.startswith(group) for name in names)


def _part_norms(fresh: tuple[str, ...], state: State, target: State) -> list[str]:
    """Part ``out_norms.`` into its norms where both sides have some: they may have been read out after other stages."""
    found = [{norm[0] for name in names if (norm := re.match(r'out_norms\.\d+\.', name))} for names in (state, target)]
    norms = sorted(set.union(*found)) if all(found) else ['out_norms.']
    return [group for prefix in fresh for group in (norms if prefix == 'out_norms.' else [prefix])]


def _fit_patch(state: State, target: State, report: LoadReport, resample: bool | None) -> None:
    """Resample a patch embedding of another patch size, or raise CheckpointError."""
    if PATCH not in state or PATCH not in target:
        return
    size, wanted = state[PATCH].shape[2:], target[PATCH].shape[2:]
    if size == wanted:
        return
    words = f'{_by(size)} in {report.source}, {_by(wanted)} in the model'
    if not resample:
        advice = '' if resample is None else ', or pass resample_patch=True to resample it'
        raise CheckpointError(f'patch size {words}: choose the same patch size{advice}')
    report.notes.append(f'patch embedding resampled: {words}')
    state[PATCH] = resample_patch_embed(state[PATCH].float(), list(wanted))


def _fit_priors(state: State, target: State, report: LoadReport) -> None:
    """Resize the gate loss's learned priors to the model's grid of regions."""
    for name in filter(_PRIORS.fullmatch, state.keys() & target.keys()):
        given, wanted = state[name].shape, target[name].shape
        if given != wanted:
            state[name] = resize_prior_logit(state[name], (wanted[0], wanted[1]))
            report.notes.append(f'learned priors resized from {_by(given)} to {_by(wanted)} regions (bilinear)')


def _by(sides: Iterable[int]) -> str:
    return 'x'.join(map(str, sides))

"""Load Swin weights of timm, Microsoft, mmpretrain, mmseg, mmdet or msvit into a Swin with timm's names.

The libraries describe the same network under other names, with two differences of substance. Microsoft and OpenMMLab merge
patches at the end of a stage, timm at the start of the next. And OpenMMLab merges with ``nn.Unfold``, whose 4C channels lie in
another order, see :func:`_merging_order`.
"""

import re
from math import isqrt

from timm.layers import resize_rel_pos_bias_table
from torch import Tensor, nn

from .errors import CheckpointError
from .keys import _rename, detect_origin, split_backbone
from .matching import LoadReport, Source, State, fit_patch, load_network

ORIGINS = ('timm', 'microsoft', 'openmmlab', 'msvit')
TABLE = '.attn.relative_position_bias_table'

# Derived from the window size and saved by all but timm.
_BUFFERS = ('.relative_position_index', '.attn_mask')
_MM_NAMES = (
    (r'^patch_embed\.projection\.', 'patch_embed.proj.'),
    (r'^stages\.', 'layers.'),
    (r'^(layers\.\d+\.blocks\.\d+)\.attn\.w_msa\.', r'\1.attn.'),
    (r'^(layers\.\d+\.blocks\.\d+)\.ffn\.layers\.0\.0\.', r'\1.mlp.fc1.'),
    (r'^(layers\.\d+\.blocks\.\d+)\.ffn\.layers\.1\.', r'\1.mlp.fc2.'),
)

Window = tuple[int, int]


def load_swin(
    model: nn.Module,
    source: Source,
    *,
    arch: str = '',
    strict: bool = True,
    prefix: str = '',
    fresh: tuple[str, ...] = ('gate.', 'gate_loss.', 'coarse_embed.', 'out_norms.', 'fills.'),
    keep: tuple[str, ...] = (),
) -> LoadReport:
    """Load a Swin checkpoint of timm, Microsoft, mmpretrain, mmseg, mmdet or msvit into a model with timm's names.

    All or nothing: where the checkpoint does not fit, the model is left as it was. What it did goes to the log.

    Relative position biases belong to a window size, so those of another one are refused. One case is no other window size:
    where a stage's grid of tokens is smaller than the window, timm takes the grid as window. The model's window is then the
    checkpoint's, clipped to the stage's grid side by side, and the biases are resized as timm does. That holds in every stage
    or the checkpoint is refused; a model whose window was chosen smaller shows it in the first stage whose grid is larger.

    Args:
        model: Swin whose parameters have timm's names. Its blocks' ``attn.window_size`` are the windows; the grids are its
            blocks' ``input_resolution``, or follow from ``patch_embed.grid_size``.
        source: File, http(s) address, tensors by name, or True for timm's own weights of ``arch``.
        arch: timm's name of the architecture, for ``source=True`` alone.
        strict: Refuse a checkpoint that leaves parameters of the model without weights or has tensors that fit nowhere;
            False loads what fits and logs the rest as a warning. Classifiers are never wanted and never an error, another
            patch or window size always is one.
        prefix: Take only tensors below this prefix; ``backbone.`` is found unaided.
        fresh: Prefixes of parameters that a plain Swin lacks. They keep their initial values if the checkpoint has none of
            that prefix, and are not used if the model has none; the norms ``out_norms.N.`` of each stage count one by one.
        keep: Prefixes of parameters that stay as they are, whatever the checkpoint has.

    Returns:
        What was loaded, resized and left aside.

    Raises:
        FileNotFoundError: No such file.
        CheckpointError: Unreadable or unsafe file, no Swin in it, or weights that do not fit; lists every name.
    """

    def fit(state: State, target: State, report: LoadReport) -> None:
        fit_patch(state, target, report)
        _fit_tables(state, target, model, report)

    return load_network(
        model,
        source,
        detect_swin_origin,
        to_timm_swin,
        fit,
        arch=arch,
        strict=strict,
        prefix=prefix,
        fresh=fresh,
        keep=keep,
    )


def detect_swin_origin(state: dict[str, Tensor]) -> str:
    """Tell from the names alone which library's layout a Swin checkpoint has.

    Args:
        state: Tensors by name, of a Swin or of a whole model that holds one under ``backbone.``.

    Returns:
        One of ``timm`` (MSSwin without a learned gate too), ``microsoft`` (official), ``openmmlab`` (mmpretrain, mmseg and
        mmdet, which share it), ``msvit`` (with a gate or a coarse embedding).

    Raises:
        CheckpointError: None of these; a ViT or a Swin V2 is named as such.
    """
    swin, _ = split_backbone(state)

    def has(pattern: str) -> bool:
        return any(re.match(pattern, name) for name in swin)

    if has(r'(layers|stages)\.\d+\.blocks\.\d+\.attn\.(w_msa\.)?(logit_scale|cpb_mlp)'):
        raise CheckpointError('the checkpoint holds a Swin V2, another network than the model: take weights of a Swin (V1)')
    if 'patch_embed.projection.weight' in swin and has(r'stages\.\d+\.blocks\.\d+\.attn\.w_msa\.'):
        return 'openmmlab'
    if 'patch_embed.proj.weight' in swin and has(rf'layers\.\d+\.blocks\.\d+{re.escape(TABLE)}'):
        if has(r'(gate|coarse_embed)\.'):
            return 'msvit'
        return 'microsoft' if 'layers.0.downsample.reduction.weight' in swin else 'timm'
    if vit := _vit_origin(state):
        raise CheckpointError(
            f'the checkpoint holds a ViT ({vit} layout), the model is a Swin: load it into a ViT, or take weights of a Swin'
        )
    raise CheckpointError(
        f'no Swin of a known layout ({", ".join(ORIGINS)}) in a checkpoint of {len(state)} tensors: '
        f'{", ".join(list(state)[:6])}{", ..." if len(state) > 6 else ""}'
    )


def to_timm_swin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name and order a Swin's tensors as timm's ``SwinTransformer`` does, whichever library they come from.

    Names that no rule knows stay as they are, so that the loader can report them; of a whole model only the backbone is
    kept. Applying it twice changes nothing.

    Args:
        state: Tensors by name, see :func:`detect_swin_origin`.

    Returns:
        The same tensors under timm's names. Of the norms that segmentation and detection add to every stage's output, the
        last stage's is timm's ``norm``, stage N's before it is ``out_norms.N``. Buffers that follow from the window size are
        left out.

    Raises:
        CheckpointError: Unknown layout, or two tensors with one name.
    """
    origin = detect_swin_origin(state)
    swin, _ = split_backbone(state)
    swin = {name: value for name, value in swin.items() if not name.endswith(_BUFFERS)}
    if origin == 'openmmlab':
        swin = {name: _merging_order(value) if '.downsample.' in name else value for name, value in swin.items()}
        swin = _rename(swin, _MM_NAMES)
    if origin in ('openmmlab', 'microsoft'):
        swin = {_next_stage(name): value for name, value in swin.items()}
    last = max(int(name.split('.')[1]) for name in swin if name.startswith('layers.'))
    return _rename(swin, ((rf'^norm{last}\.', 'norm.'), (r'^norm(\d+)\.', r'out_norms.\1.')))


def _merging_order(value: Tensor) -> Tensor:
    """Bring the last axis, the 4C channels of a patch merging, from ``nn.Unfold``'s order (C, 2, 2) to timm's.

    timm's is (column, row, C), as it was in the official code: x[0::2, 0::2], x[1::2, 0::2], x[0::2, 1::2], x[1::2, 1::2].
    """
    if value.shape[-1] % 4:  # no 2x2 merging; the loader reports the shape
        return value
    return value.unflatten(-1, (-1, 2, 2)).movedim((-1, -2), (-3, -2)).flatten(-3)


def _next_stage(name: str) -> str:
    """The name in timm of a patch merging that ends a stage: timm's begins the next."""
    stage = re.match(r'layers\.(\d+)\.downsample\.', name)
    return f'layers.{int(stage[1]) + 1}.downsample.{name[stage.end() :]}' if stage else name


def _vit_origin(state: dict[str, Tensor]) -> str:
    try:
        return detect_origin(state)
    except CheckpointError:
        return ''


def _fit_tables(state: dict[str, Tensor], target: dict[str, Tensor], model: nn.Module, report: LoadReport) -> None:
    """Resize the relative position biases of windows that the model's grid clips; refuse those of another window size."""
    notes = []
    windows = {_square_window(table) for name, table in state.items() if name.endswith(TABLE)}
    for name in (name for name in target if name.endswith(TABLE) and name in state):
        table, wanted = state[name], target[name]
        if table.shape == wanted.shape or table.shape[1:] != wanted.shape[1:]:  # another number of heads: reported later
            continue
        block = name.removesuffix(TABLE)
        window, given = _window(model, block, wanted), _square_window(table)
        if given is None or window is None or window != _clip(given, _grid(model, block)):
            size, wanted_size = _words(given), _words(window)
            # Windows that differ were clipped by the checkpoint's own image size.
            advice = 'state the img_size of the weights'
            if given is not None and len(windows) == 1:
                advice = f'state window_size={given[0]} in its arch'
            raise CheckpointError(
                f'relative position bias of {block}: window {size} in {report.source}, {wanted_size} in the model: {advice}, '
                f'or take weights of window {wanted_size}'
            )
        state[name] = resize_rel_pos_bias_table(table.float(), window, tuple(wanted.shape), old_window_size=given)
        stage = block.partition('.blocks.')[0]
        notes.append(
            f'relative position biases of {stage} resized from window {_words(given)} to {_words(window)}: '
            'no more tokens in img_size'
        )
    report.notes += dict.fromkeys(notes)


def _window(model: nn.Module, block: str, table: Tensor) -> Window | None:
    window = getattr(model.get_submodule(f'{block}.attn'), 'window_size', None)
    if window is None:
        return _square_window(table)
    rows, columns = (window, window) if isinstance(window, int) else window
    return rows, columns


def _square_window(table: Tensor) -> Window | None:
    """The side w of the square window that a table of (2w - 1)² entries belongs to; None: of no square window."""
    side = isqrt(len(table))
    if side**2 != len(table) or side % 2 == 0:
        return None
    return (side + 1) // 2, (side + 1) // 2


def _grid(model: nn.Module, block: str) -> Window | None:
    """Rows and columns of tokens of a block; None: the model does not say."""
    merged = 1
    grid = getattr(model.get_submodule(block), 'input_resolution', None)
    if grid is None:
        merged = 2 ** int(block.split('.')[1])
        grid = getattr(getattr(model, 'patch_embed', None), 'grid_size', None)
    if grid is None:
        return None
    rows, columns = (-(-side // merged) for side in grid)
    return rows, columns


def _clip(window: Window, grid: Window | None) -> Window:
    return window if grid is None else (min(window[0], grid[0]), min(window[1], grid[1]))


def _words(window: Window | None) -> str:
    return 'that is not square' if window is None else f'{window[0]}x{window[1]}'

"""What commands write and print."""

import json
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

from ..atomic_write import atomic_write


def refuse_overwriting(args: Namespace, *more: Path) -> None:
    """Stop before the work where a result of it is there already.

    Args:
        args: with ``overwrite``, ``out`` and, of some commands, ``picture``.
        *more: other files that the command would write.

    Raises:
        FileExistsError: one of them exists.
    """
    files = [file for file in (args.out, getattr(args, 'picture', None), *more) if file and file.exists()]
    if files and not args.overwrite:
        others = f', and {len(files) - 1} more' if len(files) > 1 else ''
        raise FileExistsError(f'{files[0]} exists{others}: give --overwrite to replace')


def progress(items: Iterable, what: str, unit: str = 'image') -> Iterable:
    """Show how far a loop is, on standard error, if that is a terminal."""
    return tqdm(items, desc=what, unit=unit, leave=False, disable=None)


def write_json(path: Path | None, figures: dict[str, Any]) -> None:
    """Write figures, where a file is named; dataclasses, paths, arrays and tensors become plain values."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            part.write_text(json.dumps(figures, indent=2, default=_plain) + '\n', encoding='utf-8')


def about(args: Namespace) -> dict[str, Any]:
    """Tell what a result belongs to: the arguments of its command, by name, and the version of torch."""
    left = ('out', 'picture', 'overwrite', 'default_count')
    return {**{name: value for name, value in vars(args).items() if name not in left}, 'torch': torch.__version__}


def show_rows(
    rows: Iterable[Mapping[Any, Any]], columns: Mapping[str, str], title: str = '', section: str | None = None
) -> None:
    """Print rows of figures as a table.

    Args:
        rows: values by name.
        columns: by heading, a format that reads these values, e.g. ``'{tokens:.4g}'``.
        title: above the table.
        section: name of a value; a line is drawn where it changes.
    """
    table, rows = Table(*columns, title=title), list(rows)
    for row, following in zip_longest(rows, rows[1:]):
        cells = (escape(form.format_map(row)) for form in columns.values())
        table.add_row(*cells, end_section=bool(section and following and following[section] != row[section]))
    _console().print(table)


def say(text: str) -> None:
    """Print a text as it is."""
    _console().print(text, markup=False, highlight=False, soft_wrap=True)


def report_left_out(left_out: Sequence[dict[str, str]], done: int) -> None:
    """Say which images were left out and why.

    Raises:
        ValueError: no image is left.
    """
    for one in left_out:
        say(f'left out: {one["reason"] if one["file"] in one["reason"] else ": ".join(one.values())}')
    if left_out and done:
        say(f'{done} images used, {len(left_out)} left out')
    if not done:
        raise ValueError('no image is left' if left_out else 'there is no image')


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=130)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return value.tolist()
    return str(value)

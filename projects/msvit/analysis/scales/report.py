"""A page for the browser: every image with its pictures and figures, in one file."""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from ...atomic_write import atomic_write
from ..table import spread
from ..transfer import colour_scale
from .cells import Cell, macs, percent, plain_name
from .page import Colour

QUALITY = 85  # of JPEG: 200 images make about 20 MB


def _gmacs(value: float) -> str:
    return f'{round(value, 9):.3g}'  # no less than one MAC


# What the table summarises: title, how it is written.
SUMMARY = {
    'tokens': ('tokens', '{:.0f}'.format),
    'fine_share': ('fine regions', percent),
    'mean_p_fine': ('mean p_fine', '{:.2f}'.format),
    'gmacs': ('GMACs', _gmacs),
    'dense_gmacs': ('GMACs, dense', _gmacs),
    'agreement': ('equal to dense', percent),
    'accuracy': ('right', percent),
    'dense_accuracy': ('right, dense', percent),
}


class Card(NamedTuple):
    """An image of the report: its figures, see `figures_of`, and its pictures as data addresses by title, with their words."""

    figures: Mapping[str, Any]
    pictures: dict[str, tuple[str, Sequence[str]]]

    @classmethod
    def of(cls, figures: Mapping[str, Any], cells: Mapping[str, Cell]) -> 'Card':
        """Encode the pictures."""
        pictures = {title: (_address(cell.picture, cell.photo), cell.words) for title, cell in cells.items()}
        return cls(figures, pictures)


def summarise(figures: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Take the spread over images of each figure that all of them have."""
    table = pd.DataFrame(figures, columns=list(SUMMARY)).dropna(axis='columns')
    spreads = spread(table.astype(float)).to_dict('index') if len(table) and len(table.columns) else {}
    return cast('dict[str, dict[str, float]]', spreads)


def write_report(
    path: Path,
    title: str,
    cards: Sequence[Card],
    left_out: Sequence[Mapping[str, str]],
    about: Mapping[str, Any],
    threshold: float | None = None,
    classes: Mapping[str, Colour] | None = None,
) -> None:
    """Write one HTML file that holds everything, for any browser, without a network.

    Args:
        path: of the file.
        title: of the page.
        cards: of the images, in their order.
        left_out: ``file`` and ``reason`` of the images that are missing.
        about: the settings of the run.
        threshold: of p_fine, is marked on its scale of colours; None: there is none.
        classes: colours of classes by name, most important first.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= dict(name=plain_name, macs=macs)
    spreads = {SUMMARY[name]: one for name, one in summarise([card.figures for card in cards]).items()}
    page = environment.get_template('report.html.j2').render(
        title=title,
        cards=cards,
        left_out=left_out,
        about={name: _plain(value) for name, value in about.items() if value not in (None, [])},
        spreads=spreads,
        scale=_address(np.asarray(colour_scale(threshold)), photo=False),
        classes={name: '#{:02x}{:02x}{:02x}'.format(*colour) for name, colour in (classes or {}).items()},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        part.write_text(page, encoding='utf-8', errors='replace')


def _address(picture: np.ndarray, photo: bool) -> str:
    kind, options = ('JPEG', dict(quality=QUALITY, subsampling=0)) if photo else ('PNG', dict(optimize=True))
    content = BytesIO()
    Image.fromarray(picture).save(content, kind, **options)
    return f'data:image/{kind.lower()};base64,{base64.b64encode(content.getvalue()).decode()}'


def _plain(value: Any) -> str:
    return ' '.join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)

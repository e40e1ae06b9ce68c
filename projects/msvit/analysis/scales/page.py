"""Rows of cells on a page: a column each, with titles above, and below what the colours mean."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..style import INK
from ..transfer import colour_scale
from .cells import QUIET, Cell, elided

MARGIN, GAP = 28, 16
TITLE, HEAD, TEXT = (ImageFont.load_default(size) for size in (22, 17, 13))
LINE, SWATCH = 18, 14
MOST_CLASSES = 40

Colour = tuple[int, int, int]


def draw_page(
    rows: Sequence[Mapping[str, Cell]],
    title: str,
    threshold: float | None = None,
    classes: Mapping[str, Colour] | None = None,
) -> np.ndarray:
    """Draw images row by row.

    Args:
        rows: of each image its cells by column; the columns are those of the first row and what others have beyond it.
        title: of the page.
        threshold: of p_fine, is marked on its scale of colours; None: there is none.
        classes: colours of classes by name, most important first.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    widths = {name: max(row[name].picture.shape[1] for row in rows if name in row) for name in columns}
    widths = {name: max(width, round(HEAD.getlength(name))) for name, width in widths.items()}
    heights = [max(cell.picture.shape[0] for cell in row.values()) for row in rows]
    notes = [max(len(cell.words) for cell in row.values()) * LINE + 8 for row in rows]
    scale = colour_scale(threshold)
    width = max(sum(widths.values()) + GAP * (len(columns) - 1), scale.width)
    swatches = _swatches(classes or {}, width)
    top = MARGIN + 64
    bottom = top + sum(heights) + sum(notes) + GAP * len(rows)
    page = Image.new('RGB', (width + 2 * MARGIN, bottom + scale.height + 8 + len(swatches) * 24 + MARGIN), 'white')
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN + 14), elided(title, TITLE, width), fill=INK, font=TITLE, anchor='ls')
    x = MARGIN
    for name in columns:
        pen.text((x, top - 12), name, fill=INK, font=HEAD, anchor='ls')
        y = top
        for row, height, below in zip(rows, heights, notes, strict=True):
            if name in row:
                _draw_cell(page, pen, row[name], (x, y), height, widths[name])
            y += height + below + GAP
        x += widths[name] + GAP
    page.paste(scale, (MARGIN - 12, bottom))
    for number, line in enumerate(swatches):
        y = bottom + scale.height + 8 + number * 24
        for x, name, colour in line:
            pen.rectangle((MARGIN + x, y, MARGIN + x + SWATCH, y + SWATCH), fill=colour, outline=INK)
            pen.text((MARGIN + x + SWATCH + 6, y + 12), name, fill=INK, font=TEXT, anchor='ls')
    return np.asarray(page)


def _draw_cell(
    page: Image.Image, pen: ImageDraw.ImageDraw, cell: Cell, place: tuple[int, int], height: int, width: int
) -> None:
    x, y = place
    page.paste(Image.fromarray(cell.picture), (x, y + (height - cell.picture.shape[0]) // 2))
    for number, words in enumerate(cell.words):
        line = elided(words, TEXT, width)
        pen.text((x, y + height + LINE * (number + 1)), line, fill=QUIET if number else INK, font=TEXT, anchor='ls')


def _swatches(classes: Mapping[str, Colour], width: int) -> list[list[tuple[int, str, Colour]]]:
    """Lines of (place in pixels, name, colour)."""
    lines: list[list[tuple[int, str, Colour]]] = []
    x = width
    for name, colour in list(classes.items())[:MOST_CLASSES]:
        need = SWATCH + 6 + round(TEXT.getlength(name)) + 22
        if x + need > width:
            lines.append([])
            x = 0
        red, green, blue = map(int, colour)
        lines[-1].append((x, name, (red, green, blue)))
        x += need
    return lines

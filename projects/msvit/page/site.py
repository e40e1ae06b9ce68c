"""Writing the page."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from PIL import Image

from ..analysis.samples import shrunk
from ..images import read_rgb
from ..runtime import ModelInfo, OnnxModel
from .web_runtime import copy_runtime

SAMPLE_SIDE = 640  # samples are no longer
MODULES = ('index.html', 'style.css', 'app.js', 'drawing.js', 'model.js', 'pixels.js')


def build_site(
    model: Path, folder: Path, samples: Sequence[Path], runtime: Path, title: str | None = None, max_side: int | None = None
) -> ModelInfo:
    """Write a static site that runs a model in the browser of whoever opens it.

    Args:
        model: a file of ``msvit export``, of one image at a time.
        folder: of the site; files of an earlier one are replaced.
        samples: images to choose from.
        runtime: of `fetch_runtime`.
        title: of the page; None: the name of the model's config.
        max_side: longer images are shrunk to so many pixels; None: the larger side that the model was made for.

    Returns:
        What the model is.

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: it is no graph of ``msvit export``, one that takes several images, or a sample is no image.
    """
    info = OnnxModel(model).info
    if info.any_batch:
        raise ValueError(f'{model} takes several images at once: export the model for pages without --any-batch')
    folder.mkdir(parents=True, exist_ok=True)
    static = files('msvit.page') / 'static'
    for name in MODULES:
        (folder / name).write_bytes((static / name).read_bytes())
    shutil.copyfile(model, folder / 'model.onnx')
    copy_runtime(runtime, folder / 'runtime')
    about = dict(
        title=title or info.name,
        max_side=max_side or max(info.image_size),
        bytes=model.stat().st_size,
        budget_is_share=isinstance(info.budget, float),  # JSON's 1 and 1.0 are one number to JavaScript
        samples=_write_samples(samples, folder / 'samples'),
    )
    (folder / 'model.json').write_text(json.dumps({**asdict(info), **about}, indent=1) + '\n', encoding='utf-8')
    return info


def _write_samples(samples: Sequence[Path], folder: Path) -> list[dict[str, str]]:
    """Their names and files; PNG, so that every browser sees the same pixels."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    written = []
    for number, sample in enumerate(samples):
        file = folder / f'{number}.png'
        Image.fromarray(shrunk(read_rgb(sample), SAMPLE_SIDE)).save(file)
        written.append(dict(name=sample.stem.replace('_', ' '), file=f'{folder.name}/{file.name}'))
    return written

"""What is wrong with an image or annotation file, in words."""

import io

import mmengine.fileio as fileio
import numpy as np
from PIL import ExifTags, Image

VERIFY_COMMAND = 'python tools/dataset_converters/verify_files.py'
UINT8_MAX = 255


def broken_reason(path: str, backend_args: dict | None = None) -> str | None:
    """Decodes a file wholly, so that truncation is noticed too.

    Args:
        path: an image or annotation file.
        backend_args: of mmengine's file backends.

    Returns:
        What is wrong with the file, or None where nothing is.
    """
    try:
        _decode(path, backend_args)
    except FileNotFoundError:
        return 'the file does not exist'
    except Exception as error:  # damaged files raise nearly anything: OSError, SyntaxError, ValueError, struct.error...
        return str(error) or type(error).__name__
    return None


def wrong_labels_reason(
    path: str,
    num_classes: int,
    reduce_zero_label: bool = False,
    ignore_index: int = 255,
    backend_args: dict | None = None,
) -> str | None:
    """Looks for values that are no class in a readable annotation file.

    Args:
        path: an annotation file, one channel of class indices.
        num_classes: number of classes, the void label that ``reduce_zero_label`` drops not counted.
        reduce_zero_label: whether the file's 0 means void, and 1 the first class.
        ignore_index: the file's value for unlabelled pixels.
        backend_args: of mmengine's file backends.

    Returns:
        What is wrong with the values, or None where nothing is.
    """
    labels = _decode(path, backend_args)
    if labels.ndim != 2:
        return f'has {labels.shape[2]} channels, but an annotation has one, of class indices (is it a colour picture?)'
    highest = num_classes if reduce_zero_label else num_classes - 1
    values = np.unique(labels)
    wrong = values[(values > highest) & (values != ignore_index)]
    if not len(wrong):
        return None
    listed = ', '.join(map(str, wrong[:10])) + (', ...' if len(wrong) > 10 else '')
    void = ', of them 0 = void,' if reduce_zero_label else ''
    return (
        f'holds the values {listed}; with num_classes={num_classes} the values 0 to {highest}{void} and '
        f'{ignore_index} (ignored) are allowed: a wrong number of classes, or another labelling'
    )


def unusable_labels_reason(image: str, labels: str, backend_args: dict | None = None) -> str | None:
    """Looks for what mmseg's loading of annotations would not notice; reads little more than the heads of the files.

    Args:
        image: an image file.
        labels: its annotation file, both readable.
        backend_args: of mmengine's file backends.

    Returns:
        What is wrong with the annotation, or None where nothing is.
    """
    width, height = _size_as_shown(image, backend_args)
    with _open(labels, backend_args) as file:
        if file.size != (width, height):
            turned = ': it is turned' if file.size == (height, width) else ''
            return f'is {file.size[0]}x{file.size[1]} pixels large, but its image {image} {width}x{height}{turned}'
        if 1 in file.size:  # mmseg squeezes what it loads, and loses that axis
            return f'is {width}x{height} pixels large: take images of one row or column out of the data set'
        if file.mode.startswith(('I', 'F')):
            highest = np.asarray(file).max()
            if highest > UINT8_MAX:
                return (
                    f'holds the value {highest}, but classes are read as 8-bit numbers: renumber them to 0..254, 255 = ignored'
                )
    return None


def _size_as_shown(image: str, backend_args: dict | None) -> tuple[int, int]:
    """(W, H) of an image after the turn that its EXIF tag asks for, as images are loaded."""
    with _open(image, backend_args) as file:
        turned = file.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return file.size[::-1] if turned else file.size


def _decode(path: str, backend_args: dict | None) -> np.ndarray:
    with _open(path, backend_args) as image:
        return np.asarray(image)


def _open(path: str, backend_args: dict | None) -> Image.Image:
    return Image.open(io.BytesIO(fileio.get(path, backend_args=backend_args)))

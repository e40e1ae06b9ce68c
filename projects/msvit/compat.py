"""What to say when OpenMMLab is not installed."""

from importlib.util import find_spec

_PARTS = ('mmengine', 'mmcv', 'mmseg', 'mmpretrain')


def require_openmmlab() -> None:
    """Check that the OpenMMLab libraries can be imported.

    Raises:
        ImportError: one of them is missing; the message names the two extras of ``setup.py`` that bring them.
    """
    missing = [name for name in _PARTS if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'msvit needs OpenMMLab, and {", ".join(missing)} cannot be found. Install one of the two lines, never both:\n'
            "    pip install 'msvit[onedl]'      the maintained forks (recommended)\n"
            "    pip install 'msvit[openmmlab]'  the original packages\n"
            "In a clone of the project: pip install -e '.[onedl]'"
        )

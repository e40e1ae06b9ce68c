"""What to say when OpenMMLab, or its part for detectors, is not installed; how its two lines and old torches differ."""

import logging
from functools import wraps
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

try:
    from numpy._core import multiarray
except ImportError:  # numpy before 1.26
    from numpy.core import multiarray

__all__ = [
    'count_attention_on_cpus',
    'drop_debug_prints',
    'multiarray',
    'require_mmdet',
    'require_openmmlab',
    'require_scope',
]

_DROPS_DEBUG = 'drops_debug'
_PARTS = ('mmengine', 'mmcv', 'mmseg', 'mmpretrain')


def require_openmmlab() -> None:
    """Check that the OpenMMLab libraries can be imported.

    Raises:
        ImportError: one of them is missing; the message names the two extras of ``setup.py`` that bring them. Or mmcv lacks
            the compiled operators that the original mmseg imports.
    """
    missing = [name for name in _PARTS if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'msvit needs OpenMMLab, and {", ".join(missing)} cannot be found. Install one of the two lines, never both:\n'
            "    pip install 'msvit[onedl]'      the maintained forks (recommended)\n"
            "    pip install 'msvit[openmmlab]'  the original packages\n"
            "In a clone of the project: pip install -e '.[onedl]'"
        )
    if _is_original() and find_spec('mmcv._ext') is None:
        raise ImportError(
            "The original mmsegmentation needs mmcv's compiled operators, and this mmcv has none. Build it anew, beside your "
            'torch:\n'
            "    pip install 'setuptools<80' wheel ninja psutil\n"
            "    MMCV_WITH_OPS=1 pip install --no-build-isolation --no-cache-dir --force-reinstall --no-deps 'mmcv==2.1.0'\n"
            "Or take the maintained forks, which need none: pip install 'msvit[onedl]'"
        )


def require_scope(scope: str | None) -> None:
    """Check that the library of a config's ``default_scope`` can be imported, where it may not be there: mmdet.

    Raises:
        ImportError: it is wanted and missing, see `require_mmdet`.
    """
    if scope == 'mmdet':
        require_mmdet()


def require_mmdet() -> None:
    """Check that mmdet can be imported, with the compiled operators of mmcv that it needs.

    Raises:
        ImportError: one of them is missing; the message says how to get them.
    """
    missing = [name for name in ('mmdet', 'mmcv._ext') if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"Detectors need mmdet and mmcv's compiled operators, and {', '.join(missing)} cannot be found. In a clone of the "
            'project `make setup-det` puts both into an environment of their own, .venv-det; the Makefile shows the commands. '
            'An mmcv without operators must be built anew, beside a torch that it compiles with (2.13 does).'
        )


def drop_debug_prints() -> None:
    """Let mmengine's ``print_log`` print nothing of level DEBUG where it has no logger, for whoever imports it from now on.

    mmseg and mmpretrain tell in this way, each at its import, that the forks' own data platform OneDL is not installed.
    """
    from mmengine import logging as mmengine_logging

    print_log = mmengine_logging.print_log
    if hasattr(print_log, _DROPS_DEBUG):
        return

    @wraps(print_log)
    def print_log_above_debug(msg: Any, logger: Any = None, level: int = logging.INFO) -> None:
        if logger is not None or level > logging.DEBUG:
            print_log(msg, logger, level)

    setattr(print_log_above_debug, _DROPS_DEBUG, True)
    mmengine_logging.print_log = print_log_above_debug


def _is_original() -> bool:
    """Tell whether mmseg is the original one, not the fork."""
    try:
        return bool(version('mmsegmentation'))
    except PackageNotFoundError:
        return False


def count_attention_on_cpus() -> None:
    """Teach ``FlopCounterMode`` the attention of CPUs, which torch before 2.7 left out."""
    from torch import ops
    from torch.utils.flop_counter import flop_registry

    flops = flop_registry[ops.aten._scaled_dot_product_flash_attention]
    flop_registry.setdefault(ops.aten._scaled_dot_product_flash_attention_for_cpu, flops)

"""The log of whatever runs: an OpenMMLab run's, or Python's own."""

import logging
import sys


def log(message: str, level: int = logging.INFO) -> None:
    """Log to mmengine's current logger where OpenMMLab is in use, else to the logger ``msvit``.

    Args:
        message: the text.
        level: of `logging`.
    """
    if 'mmengine' in sys.modules:
        from mmengine.logging import print_log

        print_log(message, logger='current', level=level)
    else:
        logging.getLogger('msvit').log(level, message)

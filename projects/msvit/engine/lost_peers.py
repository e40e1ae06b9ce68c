"""How a training of several processes ends when one of them has died."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch.distributed as dist

_MESSAGE = (
    'error: another process of this training has ended, and this one ends too ({reason}). The other one said why, unless it '
    'was killed, as by a system that is out of memory. --resume goes on from the last checkpoint'
)
_LOST = re.compile(r'by peer|gloo|nccl|Broken pipe', re.IGNORECASE)  # what the back ends of torch.distributed say


@contextmanager
def telling_of_lost_peers() -> Iterator[None]:
    """End this process with one line where the connection to another one breaks, or torchrun ends all because one has died.

    Without other processes, nothing is done.
    """
    if 'RANK' not in os.environ:
        yield
        return
    before = signal.signal(signal.SIGTERM, partial(_end, os.getpid()))
    try:
        yield
    except RuntimeError as error:
        if dist.is_initialized() and _LOST.search(str(error)):
            raise SystemExit(_MESSAGE.format(reason=str(error).splitlines()[0])) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(main: int, number: int, _: Any) -> None:
    if os.getpid() != main:  # a worker of a data loader, which has this from its parent
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    raise SystemExit(_MESSAGE.format(reason='told to by SIGTERM'))

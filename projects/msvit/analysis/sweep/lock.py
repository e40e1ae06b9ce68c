"""One process at a time in a folder."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is locked
    fcntl = None


class BusyError(RuntimeError):
    """Another process works in the folder."""


@contextmanager
def lock(folder: Path, patience: float = 10.0) -> Iterator[tuple[int, ...]]:
    """Keep others out of a folder while this process, or one that inherits the lock, lives.

    So a training that a killed sweep has left behind is not started a second time.

    Args:
        folder: which is there.
        patience: seconds to wait for others to leave, such as the last worker of a process that has just ended.

    Returns:
        File descriptors for a child to inherit (``pass_fds``).

    Raises:
        BusyError: the folder stays locked.
    """
    if fcntl is None:
        yield ()
        return
    with open(folder / '.lock', 'a') as file:
        deadline = time.monotonic() + patience
        while not _acquire(file.fileno()):
            if time.monotonic() > deadline:
                raise BusyError(f'another process trains in {folder}: wait for its end, or end it')
            time.sleep(0.2)
        yield (file.fileno(),)


def _acquire(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""One training at a time in a work dir."""

import os
import socket
from io import TextIOWrapper
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is locked
    fcntl = None

LOCK = 'training.lock'


class RunLock:
    """Keeps other trainings, of this machine or of others that share its disk, out of a folder.

    The operating system holds the lock for this process alone, not for its data loaders' workers, and ends it with the
    process, however that ends: a lock file that is left behind keeps nobody out.

    Args:
        folder: of the training; it is made.

    Raises:
        RuntimeError: a process that lives holds it; the message names its host and number.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file: TextIOWrapper | None = None
        if fcntl is None:
            return
        file = open(folder / LOCK, 'a+', encoding='utf-8')  # noqa: SIM115 kept open: closing it ends the lock
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            holder = file.read().strip() or 'another process'
            file.close()
            raise RuntimeError(
                f'{folder} is in use by {holder}: two trainings in one work dir would overwrite each other. Wait for its end, '
                'end it, or name another --work-dir'
            ) from None
        except OSError:  # a file system without locks
            file.close()
            return
        file.truncate(0)
        file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let others in."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

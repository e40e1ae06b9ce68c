"""The checkpoints of one run: written whole, and removed only when their successors are there."""

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ..atomic_write import atomic_write

BACKEND = 'msvit_own_checkpoints'


class OwnCheckpoints(LocalBackend):
    """File backend of mmengine's ``CheckpointHook``, which removes before it writes, and whatever a checkpoint names.

    Args:
        folder: of the run's checkpoints. What does not lie directly in it is not there for `isfile`, so that it stays.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._outdated: list[Path] = []

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes a file that a kill or a full disk leaves as it was.

        Raises:
            OSError: it cannot be written, as on a full disk.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with atomic_write(path) as partial:
                partial.write_bytes(obj)
        except OSError as error:
            raise OSError(
                f'cannot save {path} ({error.strerror or error}); older checkpoints are as they were: make room, then go on '
                'with --resume'
            ) from error

    def isfile(self, filepath: str | Path) -> bool:
        """Tell whether it is a file of this run."""
        return Path(filepath).parent.resolve() == self._folder.resolve() and super().isfile(filepath)

    def isdir(self, filepath: str | Path) -> bool:
        """No checkpoint of ours is a folder: none is removed."""
        return False

    def remove(self, filepath: str | Path) -> None:
        """Notes a file for `remove_outdated`."""
        self._outdated.append(Path(filepath))

    def remove_outdated(self) -> None:
        """Removes what was noted; called once the successors are written."""
        while self._outdated:
            self._outdated.pop().unlink(missing_ok=True)


register_backend(BACKEND, OwnCheckpoints)

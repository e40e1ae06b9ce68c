"""Where an interrupted training goes on."""

import logging
import re
from pathlib import Path

from mmengine.logging import print_log

from ..checkpoints import CheckpointError
from .safe_load import load_checkpoint_file


def latest_checkpoint(work_dir: Path) -> Path | None:
    """Find the newest checkpoint of a training that is whole, and say so where it is not the one that was saved last.

    Args:
        work_dir: of the run; it may have been moved since.

    Returns:
        What ``last_checkpoint`` names if that can be read, else the newest ``iter_N.pth`` or ``epoch_N.pth`` that can; None
        where there are none.

    Raises:
        CheckpointError: there are some, and none of them can be read.
    """
    broken = []
    for path in _candidates(work_dir):
        try:
            load_checkpoint_file(path, 'cpu')
        except CheckpointError as error:
            broken.append(str(error))
            continue
        if broken:
            print_log(f'{"; ".join(broken)}. Going on with {path}', logger='current', level=logging.WARNING)
        return path
    if broken:
        raise CheckpointError(f'no checkpoint of {work_dir} can be read; start afresh without --resume: {"; ".join(broken)}')
    return None


def _candidates(work_dir: Path) -> list[Path]:
    numbered = {path: re.fullmatch(r'(?:iter|epoch)_(\d+)\.pth', path.name) for path in work_dir.glob('*.pth')}
    steps = {path: int(match[1]) for path, match in numbered.items() if match}
    newest_first = sorted(steps, key=steps.__getitem__, reverse=True)
    record = work_dir / 'last_checkpoint'
    named = record.read_text(encoding='utf-8').strip() if record.is_file() else ''  # empty after a kill
    if named:
        last = Path(named) if Path(named).is_file() else work_dir / Path(named).name
        if last.is_file():
            return [last, *(path for path in newest_first if path != last)]
    return newest_first

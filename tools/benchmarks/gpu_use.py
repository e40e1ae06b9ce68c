"""How busy a GPU was."""

import shutil
import subprocess
import tempfile
from statistics import mean
from types import TracebackType

INTERVAL_MS = 500


class GpuUse:
    """Samples the utilisation that nvidia-smi tells; ``mean`` in percent afterwards, None without a GPU."""

    def __init__(self) -> None:
        self.mean: float | None = None

    def __enter__(self) -> 'GpuUse':
        self._samples = tempfile.TemporaryFile('w+')
        tool = shutil.which('nvidia-smi')
        query = ['--query-gpu=utilization.gpu', '--format=csv,noheader,nounits', f'--loop-ms={INTERVAL_MS}']
        self._process = tool and subprocess.Popen([tool, *query], stdout=self._samples, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()
        self._samples.seek(0)
        figures = [int(line) for line in self._samples.read().split() if line.isdigit()]
        self._samples.close()
        self.mean = mean(figures) if figures else None

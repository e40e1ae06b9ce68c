"""One line of the table: a computation against another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from ..latency import interleaved_medians
from ..macs import count_macs

Model = TypeVar('Model', bound=nn.Module)
Name = TypeVar('Name')


class Row(NamedTuple):
    """How a computation compares with a baseline.

    Args:
        name: what ran.
        baseline: what it ran against.
        seconds: median time of each, (this, baseline).
        macs: how many times fewer MACs, None if that says nothing here.
        asked: the speed-up that the project set itself, None if there is none.
        note: what else was measured.
        batch: images of a call, where that is what the row is about.
        peak_bytes: peak memory of each, beyond weights and images.
    """

    name: str
    baseline: str
    seconds: tuple[float, float]
    macs: float | None = None
    asked: float | None = None
    note: str = ''
    batch: int | None = None
    peak_bytes: tuple[int, int] | None = None

    @property
    def images_per_second(self) -> tuple[float, ...] | None:
        """Of each, where the row is about batches."""
        return None if self.batch is None else tuple(self.batch / seconds for seconds in self.seconds)

    @property
    def speedup(self) -> float:
        """How many times faster this is than the baseline."""
        return self.seconds[1] / self.seconds[0]


class Measurement(NamedTuple):
    """What computations took, by their names.

    Args:
        seconds: median time of each.
        macs: multiply-accumulates of each.
    """

    seconds: dict[str, float]
    macs: dict[str, float]

    def row(self, name: str, baseline: str, asked: float | None = None, note: str = '') -> Row:
        """Compare one computation with another."""
        seconds = (self.seconds[name], self.seconds[baseline])
        return Row(name, baseline, seconds, self.macs[baseline] / self.macs[name], asked, note)


@dataclass(frozen=True)
class Setting:
    """Where and how long to measure.

    Args:
        device: ``'cpu'``, ``'cuda'`` or another device of torch.
        dtype: of weights and images.
        rounds: timed calls of each computation, >= 1; slow computations take half of them.
        batches: images of a call, of the rows that tell throughput.
        sizes: sides of their images in pixels.
    """

    device: torch.device = torch.device('cpu')
    dtype: torch.dtype = torch.float32
    rounds: int = 15
    batches: tuple[int, ...] = (1,)
    sizes: tuple[int, ...] = (512, 224)

    @property
    def slow_rounds(self) -> int:
        """Timed calls of computations that take seconds."""
        return max(1, self.rounds // 2)

    def place(self, model: Model) -> Model:
        """Put a model on this device, in this precision."""
        return model.to(self.device, self.dtype)

    def images(self, *shape: int) -> Tensor:
        """Draw random images (\\*shape)."""
        return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(self.device, self.dtype)

    def time(self, runs: Mapping[Name, Callable[[], object]], slow: bool = False) -> dict[Name, float]:
        """Take the median seconds of each run, without gradients, in turns."""
        rounds, warm_up = (self.slow_rounds, 1) if slow else (self.rounds, min(3, self.rounds))
        with torch.inference_mode():
            return interleaved_medians(runs, rounds, warm_up)

    def measure(self, runs: Mapping[str, Callable[[], object]], slow: bool = False) -> Measurement:
        """Measure time and MACs of each run."""
        return Measurement(self.time(runs, slow), {name: count_macs(run) for name, run in runs.items()})

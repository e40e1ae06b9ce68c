"""Which of the two matrix libraries that torch brings for CPUs multiplies a few hundred tokens faster.

torch hands float32 products to MKL. On some CPUs, such as AMD's with AVX-512, oneDNN is 10 to 25 % faster; on others it is
slower by as much, above all where only AVX2 is at hand. So it is timed, once in the life of a process.
"""

import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

VARIABLE = 'MSVIT_MATRIX_LIBRARY'
TORCHS, ONEDNN = 'torch', 'onednn'
CHOICES = ('auto', TORCHS, ONEDNN)
# oneDNN is reached by an operator that torch keeps private: it must be worth it, and noise must not choose it.
WORTHWHILE = 1.08
FEW_ROWS, MANY_ROWS = 139, 587
_WIDTH, _ROUNDS = 384, 7

onednn_linear: Any = getattr(torch.ops.mkldnn, '_linear_pointwise', None) if torch.backends.mkldnn.is_available() else None


class Case(NamedTuple):
    """One kind of product.

    Args:
        many: rows, several hundred rather than one hundred.
        gelu: is followed by GELU, which oneDNN computes in the same pass.
    """

    many: bool
    gelu: bool


def uses_onednn(rows: int, gelu: bool) -> bool:
    """Tell whether oneDNN multiplies these rows, by the environment's ``MSVIT_MATRIX_LIBRARY`` or by what was timed.

    Raises:
        ValueError: ``MSVIT_MATRIX_LIBRARY`` is none of auto, torch, onednn, or names oneDNN where there is none.
    """
    return _uses_onednn(Case(rows >= (FEW_ROWS + MANY_ROWS) // 2, gelu))


@cache
def _uses_onednn(case: Case) -> bool:
    choice = _choice()
    return choice == ONEDNN or (choice == 'auto' and onednn_is_possible() and onednn_lead(case) >= WORTHWHILE)


@cache
def onednn_is_possible() -> bool:
    """Tell whether this is an x86 CPU, and torch was built with oneDNN."""
    return onednn_linear is not None and platform.machine().lower() in ('x86_64', 'amd64')


@cache
def onednn_lead(case: Case) -> float:
    """Time how many times faster oneDNN is than ``F.linear``: some hundredths of a second, once in a process."""
    # in a thread of its own, where nobody counts: a `FlopCounterMode` of the caller sees its own thread alone
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_time_lead, case).result()


@torch.inference_mode()
def _time_lead(case: Case) -> float:
    rows = MANY_ROWS if case.many else FEW_ROWS
    # A freed block of this size lets glibc keep what is freed later: in a running model results take memory that was used
    # before, and fresh pages would cost torch's way, which takes more of them, up to a half of its time.
    torch.empty(30 * 2**20, dtype=torch.uint8)
    x, weight, bias = torch.ones(1, rows, _WIDTH), torch.full((4 * _WIDTH, _WIDTH), 0.01), torch.zeros(4 * _WIDTH)
    return _ratio(_by_torch, multiply, x, weight, bias, case.gelu)


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool = False) -> Tensor:
    """``F.linear`` by oneDNN, with GELU in the same pass on demand."""
    return onednn_linear(x, weight, bias, 'gelu' if gelu else 'none', [], 'none' if gelu else '')


def describe() -> str:
    """Say which library multiplies on this machine, and why, in one line."""
    capability, choice = torch.backends.cpu.get_cpu_capability(), _choice()
    if choice != 'auto':
        return f'{capability}, matrix products by {choice} ({VARIABLE}={choice})'
    if not onednn_is_possible():
        return f"{capability}, matrix products by torch's own choice (no oneDNN for this CPU)"
    parts = []
    for case in (Case(many, gelu) for many in (False, True) for gelu in (False, True)):
        name = f'{MANY_ROWS if case.many else FEW_ROWS} rows{" with GELU" if case.gelu else ""}'
        parts.append(f'{name} {ONEDNN if _uses_onednn(case) else TORCHS} (oneDNN {onednn_lead(case):.2f}x)')
    return f'{capability}, matrix products timed against oneDNN, which must lead by {WORTHWHILE}x: {", ".join(parts)}'


def _choice() -> str:
    choice = os.environ.get(VARIABLE, 'auto')
    if choice not in CHOICES:
        raise ValueError(f'{VARIABLE} must be one of {", ".join(CHOICES)}, got {choice!r}')
    if choice == ONEDNN and not onednn_is_possible():
        raise ValueError(f'{VARIABLE}={ONEDNN}, but torch has no oneDNN for this CPU: leave it out')
    return choice


def _by_torch(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool) -> Tensor:
    return F.gelu(F.linear(x, weight, bias)) if gelu else F.linear(x, weight, bias)


def _ratio(first: Callable[..., Tensor], second: Callable[..., Tensor], *arguments: Any) -> float:
    """Median time of the first by that of the second, in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS + 1):
        for run, taken in zip((first, second), times, strict=True):
            start = perf_counter()
            run(*arguments)
            taken.append(perf_counter() - start)
    return median(times[0][1:]) / median(times[1][1:])  # the first round warms up

"""Counting multiply-accumulate operations of any computation."""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from ...compat import count_attention_on_cpus

count_attention_on_cpus()


def count_macs(run: Callable[[], object]) -> float:
    """Count the MACs of any computation without gradients, attention included, by running it once."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 2

"""Wall-clock time of models against each other: any computations in turns, against tokens, and over real images."""

from .timing import describe_machine, interleaved_medians, interleaved_times, seconds_per_item, short

__all__ = ['describe_machine', 'interleaved_medians', 'interleaved_times', 'seconds_per_item', 'short']

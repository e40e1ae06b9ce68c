"""Time and memory of training steps: Table 5."""

from .steps import StepCost, measure_steps

__all__ = ['StepCost', 'measure_steps']

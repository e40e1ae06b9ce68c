"""The kinds of gates that checkpoints are searched for."""

from .context import ContextGate
from .learned import LearnedGate
from .mlp import MLPGate

LEARNED_KINDS: tuple[type[LearnedGate], ...] = (MLPGate, ContextGate)

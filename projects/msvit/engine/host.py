"""The model of a run."""

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn


def host_of(runner: Runner) -> nn.Module:
    """The model that a runner trains or tests, out of what distributes it (DDP, FSDP)."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model

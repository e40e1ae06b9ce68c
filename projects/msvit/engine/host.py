"""The model of a run."""

from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


def host_of(runner: Runner) -> Any:
    """The model that a runner trains or tests, out of what distributes it (DDP, FSDP); its config says which parts it has."""
    model: Any = runner.model
    return model.module if is_model_wrapper(model) else model

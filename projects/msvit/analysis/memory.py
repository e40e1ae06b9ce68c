"""Peak memory of a computation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Bytes of the tensors that operators make, at their highest, on any device; scratch within an operator is not seen.

    ``with PeakMemory() as memory: net(images)``, then ``memory.peak``. Tensors that lived before do not count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._made: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        given = {_address(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        result = func(*args, **kwargs)
        self._made = {address: entry for address, entry in self._made.items() if not entry[0].expired()}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and _address(tensor) not in given | self._made.keys():
                storage = tensor.untyped_storage()
                self._made[_address(tensor)] = StorageWeakRef(storage), storage.nbytes()
        self.peak = max(self.peak, sum(size for _, size in self._made.values()))
        return result


def peak_memory(run: Callable[[], object], device: torch.device | None = None) -> int:
    """Bytes that a computation holds at its highest beyond what was held before.

    Args:
        run: the computation.
        device: a GPU, whose allocator counts scratch within operators too; else see `PeakMemory`.
    """
    if device is not None and device.type == 'cuda':
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    with PeakMemory() as memory:
        run()
    return memory.peak


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata

"""Functions of tensors without their launches: CUDA graphs."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn

from .tokens import MixedTokens, trimmed_index
from .tokens.layouts import TrimmedLayout

Outputs = tuple[Tensor, ...]
Model = TypeVar('Model', bound=nn.Module)
_MOST_GRAPHS = 128  # of one part; each holds memory of its own, so those unused for longest go


class _Captured(NamedTuple):
    """A graph with the tensors that it reads and writes."""

    graph: Any
    inputs: tuple[Tensor, ...]
    outputs: Outputs


class Graphs:
    """Runs functions of tensors, on a GPU as CUDA graphs, which are captured at first use, one for each key and each shape.

    On a CPU functions run as they are; there this serves tests.
    """

    def __init__(self) -> None:
        self._captured: OrderedDict[Hashable, _Captured] = OrderedDict()
        self._pool: Any = None

    def __call__(self, key: Hashable, function: Callable[..., Outputs], *inputs: Tensor) -> Outputs:
        """Run a function.

        Args:
            key: tells functions apart: two calls of one key, on inputs of the same shapes, compute the same.
            function: from tensors to tensors; it never asks for a value.
            *inputs: need no gradients. What the last call of this object gave is handed on as it is, without a copy.

        Returns:
            What ``function`` does, until the next call of this object, of whatever key: the graphs share their memory.
        """
        if not inputs[0].is_cuda:
            return function(*inputs)
        key = (key, *((x.shape, x.dtype, x.device) for x in inputs))
        if key not in self._captured:
            self._captured[key] = self._capture(function, inputs)
            if len(self._captured) > _MOST_GRAPHS:
                self._captured.popitem(last=False)
        self._captured.move_to_end(key)
        captured = self._captured[key]
        for own, given in zip(captured.inputs, inputs, strict=True):
            if own is not given:
                own.copy_(given)
        captured.graph.replay()
        return captured.outputs

    def clear(self) -> None:
        """Forget the graphs: they read the parameters where these lay when they were captured."""
        self._captured.clear()
        self._pool = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()  # a copy captures graphs of its own

    @torch.inference_mode(False)  # later calls write to these tensors in any mode
    @torch.no_grad()
    def _capture(self, function: Callable[..., Outputs], inputs: tuple[Tensor, ...]) -> _Captured:
        ours = {id(output) for captured in self._captured.values() for output in captured.outputs}
        inputs = tuple(given if id(given) in ours else given.clone() for given in inputs)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        with torch.cuda.device(inputs[0].device):
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):  # libraries set themselves up, and compilers compile, before the capture
                for _ in range(3):
                    function(*inputs)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # other threads, such as a loader's, may go on using the GPU
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode='thread_local'):
                outputs = function(*inputs)
        return _Captured(graph, inputs, outputs)


class ReplayedOnTokens(nn.Module):
    """Mixin of modules that make tensors of `MixedTokens`, such as decoders, and can do so by graphs."""

    _graphs: Graphs | None = None

    def capture_graphs(self) -> None:
        """Replay this module as CUDA graphs at test on tokens of a backbone that does so: see `capture_graphs`."""
        self._graphs = Graphs()

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        if self._graphs is not None:
            self._graphs.clear()  # the parameters move
        return super()._apply(*args, **kwargs)

    def _replayed(self, function: Callable[[MixedTokens], Tensor], tokens: MixedTokens) -> Tensor:
        """``function(tokens)``, for one function of this module; on tokens in the trimmed layout by graphs, if they serve."""
        index, memory = tokens.index, tokens.index.memory
        if self._graphs is None or not isinstance(memory, TrimmedLayout) or not can_replay(self, tokens.x):
            return function(tokens)
        counts = None if memory.holds_absent else memory.counts

        def on_tensors(x: Tensor, *tensors: Tensor) -> Outputs:
            return (function(MixedTokens(x, trimmed_index(index.grid, index.num_prefix, counts, *tensors))),)

        place = next((parameter.data_ptr() for parameter in self.parameters()), 0)  # another place: other weights
        inputs = (tokens.x, index.fine_mask, index.active, memory.kept, memory.position)
        return self._graphs((place, index.grid, index.num_prefix, counts is None), on_tensors, *inputs)[0].clone()


def can_replay(module: nn.Module, x: Tensor) -> bool:
    """Tell whether graphs may stand for a module's call on ``x``: at test, without gradients or autocast."""
    return not (module.training or torch.is_grad_enabled() or torch.is_autocast_enabled(x.device.type))


def capture_graphs(model: Model) -> Model:
    """Replay all parts of a model that can be so as CUDA graphs at test: the backbone (see `MSViT.capture_graphs`) and what
    follows it on tokens. Forward hooks within these parts do not run then.

    Args:
        model: is changed.

    Returns:
        ``model``.

    Raises:
        TypeError: no part of it has CUDA graphs.
    """
    parts = [part for part in model.modules() if hasattr(part, 'capture_graphs')]
    if not parts:
        raise TypeError(f'{type(model).__name__} has no part with CUDA graphs: give it an MSViT backbone')
    for part in parts:
        cast(Any, part).capture_graphs()
    return model

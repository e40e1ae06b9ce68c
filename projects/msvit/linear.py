"""Linear layers that run by the faster of the two matrix libraries that torch brings for CPUs."""

from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import Mlp
from torch import Tensor, nn
from torch.overrides import has_torch_function
from torch.utils.flop_counter import mm_flop, register_flop_formula

from .matrix_library import multiply, onednn_is_possible, onednn_linear, uses_onednn

# A call of oneDNN costs some 15 microseconds more: below this many multiply-accumulates it gains nothing.
_WORTHWHILE_MACS = 2**24


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear``; at inference in float32, on a CPU where that is faster, by oneDNN (`matrix_library`), equal to rounding.

    In training, where a run must repeat to the bit in another process, under autocast, in `torch.compile` and in exporters
    this is ``F.linear`` itself, as it is within ``torch.backends.mkldnn.flags(enabled=False)``.

    Args:
        x: (..., in).
        weight: (out, in).
        bias: (out,) or None.

    Returns:
        (..., out).
    """
    return multiply(x, weight, bias) if _onednn_serves(x, weight, bias) else F.linear(x, weight, bias)


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.gelu(linear(x, weight, bias))``; where oneDNN serves, in one pass over the memory."""
    if _onednn_serves(x, weight, bias, gelu=True):
        return multiply(x, weight, bias, gelu=True)
    return F.gelu(linear(x, weight, bias))


def embed_patches(patches: Tensor, projection: nn.Conv2d) -> Tensor:
    """Embed flat patches by a ViT's patch convolution, as the linear layer that it is.

    Args:
        patches: (..., C * S_f * S_f), as `patchify` gives them.
        projection: the convolution of kernel and stride S_f; coarse and fine patches share it.

    Returns:
        (..., embed_dim).
    """
    return linear(patches, projection.weight.flatten(1), projection.bias)


class Linear(nn.Linear):
    """``nn.Linear`` by `linear`."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


class GeluMlp(Mlp):
    """timm's ``Mlp`` whose first layer and GELU are one `linear_gelu`."""

    def forward(self, x: Tensor) -> Tensor:
        if type(self.fc1) is not Linear:  # adapted or quantised since
            return super().forward(x)
        x = self.drop1(linear_gelu(x, self.fc1.weight, self.fc1.bias))
        return self.drop2(self.fc2(self.norm(x)))


def adopt_linears(module: nn.Module, kinds: tuple[type[nn.Linear], ...] = (nn.Linear,)) -> None:
    """Put a `Linear` in the place of every linear layer within a module and a `GeluMlp` in that of timm's GELU ``Mlp``.

    Parameters and their names stay.

    Args:
        module: is changed.
        kinds: the exact types to replace by `Linear`; subclasses may do more than a product, so they stay.
    """
    for name, layer in list(module.named_modules()):
        if name and isinstance(layer, nn.Linear) and type(layer) in kinds:
            module.set_submodule(name, cast(layer, Linear))
    for name, layer in list(module.named_modules()):
        if name and isinstance(layer, Mlp) and _is_gelu_mlp(layer):
            twin = GeluMlp(1, device='meta').train(layer.training)  # its layers are replaced
            for part, child in layer.named_children():
                setattr(twin, part, child)
            module.set_submodule(name, twin)


def cast(layer: nn.Linear, kind: type[nn.Linear]) -> nn.Linear:
    """A linear layer of another kind on the same parameters."""
    twin = kind(layer.in_features, layer.out_features, bias=layer.bias is not None, device='meta')
    twin.weight, twin.bias = layer.weight, layer.bias
    return twin.train(layer.training)


def _is_gelu_mlp(layer: Mlp) -> bool:
    return (
        type(layer) is Mlp and type(layer.fc1) is Linear and isinstance(layer.act, nn.GELU) and layer.act.approximate == 'none'
    )


def _onednn_serves(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool = False) -> bool:
    if not x.is_cpu:  # first of all: where launches take all the time, each question counts
        return False
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # before sizes are compared: there they may be symbols
        return False
    if x.numel() * len(weight) < _WORTHWHILE_MACS or not onednn_is_possible():
        return False
    tensors = (x, weight) if bias is None else (x, weight, bias)
    return (
        all(tensor.is_cpu and tensor.dtype == torch.float32 for tensor in tensors)
        and torch.backends.mkldnn.enabled
        and not torch.is_autocast_enabled('cpu')
        and not has_torch_function(tensors)
        and not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors))
        and uses_onednn(x.shape[:-1].numel(), gelu)
    )


if onednn_linear is not None:

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def _count_flops(x_shape: Any, weight_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
        rows = torch.Size(x_shape[:-1]).numel()
        return mm_flop((rows, x_shape[-1]), (weight_shape[1], weight_shape[0]))

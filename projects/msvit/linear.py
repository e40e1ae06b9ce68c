"""Linear layers that run by the faster of the two matrix libraries that torch brings for CPUs."""

import platform
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import Mlp
from torch import Tensor, nn
from torch.overrides import has_torch_function
from torch.utils.flop_counter import mm_flop, register_flop_formula

# A call of oneDNN costs some 15 microseconds more: below this many multiply-accumulates it wins nothing.
_WORTHWHILE_MACS = 2**24
_ON_X86 = platform.machine().lower() in ('x86_64', 'amd64')
_onednn_linear: Any = getattr(torch.ops.mkldnn, '_linear_pointwise', None) if torch.backends.mkldnn.is_available() else None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear``; on an x86 CPU in float32 by oneDNN, equal to rounding.

    torch hands float32 products to MKL, which takes 10 to 25 % longer than oneDNN for the few hundred rows of a token
    sequence. Under autocast, in `torch.compile` and in exporters this is ``F.linear`` itself, as it is within
    ``torch.backends.mkldnn.flags(enabled=False)``.

    Args:
        x: (..., in).
        weight: (out, in).
        bias: (out,) or None.

    Returns:
        (..., out).
    """
    if not _onednn_serves(x, weight, bias):
        return F.linear(x, weight, bias)
    if _trains(x, weight, bias):
        return _OnednnLinear.apply(x, weight, bias)
    return _onednn_linear(x, weight, bias, 'none', [], '')


def linear_gelu(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.gelu(linear(x, weight, bias))``, at inference by oneDNN in one pass over the memory."""
    if _onednn_serves(x, weight, bias) and not _trains(x, weight, bias):
        return _onednn_linear(x, weight, bias, 'gelu', [], 'none')
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


class _OnednnLinear(torch.autograd.Function):
    """oneDNN for the output and the input's gradient; the weight's, a product over all rows, MKL does as fast."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _onednn_linear(x, weight, bias, 'none', [], '')

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        rows = grad.flatten(0, -2)
        return (
            linear(grad, weight.t()) if needs_x else None,
            rows.t() @ x.flatten(0, -2) if needs_weight else None,
            rows.sum(dim=0) if needs_bias else None,
        )


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


def _onednn_serves(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    tensors = (x, weight) if bias is None else (x, weight, bias)
    return (
        _onednn_linear is not None
        and _ON_X86
        and all(tensor.is_cpu and tensor.dtype == torch.float32 for tensor in tensors)
        and not torch.compiler.is_compiling()  # before sizes are compared: in an exporter they may be symbols
        and not torch.jit.is_tracing()
        and x.numel() * len(weight) >= _WORTHWHILE_MACS
        and torch.backends.mkldnn.enabled
        and not torch.is_autocast_enabled('cpu')
        and not has_torch_function(tensors)
    )


def _trains(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


if _onednn_linear is not None:

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def _count_flops(x_shape: Any, weight_shape: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
        rows = torch.Size(x_shape[:-1]).numel()
        return mm_flop((rows, x_shape[-1]), (weight_shape[1], weight_shape[0]))

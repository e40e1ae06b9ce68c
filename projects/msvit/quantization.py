"""8-bit linear layers for inference on CPUs."""

import copy
import warnings

import torch
from torch import nn
from torch.ao.nn.quantized.dynamic import Linear as Int8Linear
from torch.ao.quantization import default_dynamic_qconfig

from .gates import BaseGate
from .linear import Linear, cast


def quantize_linears(model: nn.Module) -> nn.Module:
    """A copy whose linear layers compute in 8 bits: weights quantised once, activations at each call (dynamic quantisation).

    Gates stay as they are, so that no decision changes, and so do the patch embedding, norms and attention. The copy is for
    inference on a CPU and cannot be trained. It approximates: check it on your data.

    Args:
        model: an `MSViT`, or any model that holds one, on the CPU in float32.

    Returns:
        The quantised copy, in evaluation mode.

    Raises:
        ValueError: the model lies on another device or holds no linear layer of msvit.
    """
    model = copy.deepcopy(model).eval()
    gates = {id(part) for gate in model.modules() if isinstance(gate, BaseGate) for part in gate.modules()}
    layers = [(name, part) for name, part in model.named_modules() if type(part) is Linear and id(part) not in gates]
    if not layers:
        raise ValueError('nothing to quantise: the model holds no linear layer of msvit (did you pass an MSViT?)')
    if any(layer.weight.device.type != 'cpu' or layer.weight.dtype != torch.float32 for _, layer in layers):
        raise ValueError("8-bit layers run on CPUs: move the model there first, model.to('cpu', torch.float32)")
    for name, layer in layers:
        model.set_submodule(name, _quantize(layer))
    return model


def _quantize(layer: Linear) -> Int8Linear:
    twin = cast(layer, nn.Linear)  # the only kind that torch quantises
    vars(twin)['qconfig'] = default_dynamic_qconfig
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch announces that quantised tensors will move to torchao
        return Int8Linear.from_float(twin)

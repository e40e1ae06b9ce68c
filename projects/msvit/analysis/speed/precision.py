"""Half precision and 8-bit layers against single precision."""

from collections.abc import Iterator

import torch

from ...quantization import quantize_linears
from .models import mixed_vit
from .row import Row, Setting

SIZE, TOKENS = 512, 586


def precision_rows(setting: Setting) -> Iterator[Row]:
    """MSViT-S under bf16 autocast, and on a CPU with 8-bit layers, against itself in float32; same decisions in all."""
    net = mixed_vit(SIZE, TOKENS).to(setting.device)
    images = setting.images(1, 3, SIZE, SIZE).float()

    def half() -> object:
        with torch.autocast(setting.device.type, dtype=torch.bfloat16):
            return net(images)

    runs = dict(single=lambda: net(images), half=half)
    names = dict(half='bf16 autocast')
    if setting.device.type == 'cpu':
        small = quantize_linears(net)
        runs['int8'], names['int8'] = lambda: small(images), '8-bit linear layers'
    times = setting.time(runs)
    with torch.inference_mode():
        maps = {name: run()[0].to_map().float() for name, run in runs.items()}
    for name, label in names.items():
        drift = (maps[name] - maps['single']).norm() / maps['single'].norm()
        yield Row(
            f'MSViT-S, {SIZE} px, {TOKENS} tokens, {label}',
            'the same in float32',
            (times[name], times['single']),
            note=f'features differ by {drift:.1%}',
        )

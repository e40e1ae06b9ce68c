"""Batches: ragged on one row against padding, and throughput at equal counts."""

from collections.abc import Iterator

import torch
from torch import nn

from ..memory import peak_memory
from .models import fine_masks, mixed_segmenter, mixed_vit
from .row import Row, Setting

SIZE, TOKENS = 512, 586
RAGGED = [400, 451, 502, 553, 604, 655, 706, 760]  # tokens of each image


def batch_rows(setting: Setting) -> Iterator[Row]:
    """Packed execution against padding to the longest with a key mask; on a GPU throughput at batch 32 too."""
    images, masks = setting.images(len(RAGGED), 3, SIZE, SIZE), fine_masks(SIZE, RAGGED).to(setting.device)
    nets = {layout: setting.place(mixed_vit(SIZE, layout=layout)) for layout in ('packed', 'trimmed')}
    runs = {layout: lambda net=net: net(images, fine_mask=masks) for layout, net in nets.items()}
    measured = setting.measure(runs, slow=True)
    with torch.inference_mode():
        memory = peak_memory(runs['packed']) / peak_memory(runs['trimmed'])
    name = f'MSViT-S, batch of {len(RAGGED)}, {min(RAGGED)} to {max(RAGGED)} tokens, packed'
    yield measured.row('packed', 'trimmed', name, 'padded to the longest, masked', 1.4, f'peak memory {memory:.2f}x')
    if setting.device.type == 'cuda':
        yield from _throughput_rows(setting)


def _throughput_rows(setting: Setting) -> Iterator[Row]:
    dense, mixed = setting.place(mixed_segmenter(SIZE)), setting.place(mixed_segmenter(SIZE, TOKENS))
    models = dict(dense=dense, mixed=mixed)
    yield _throughput_row(setting, models, batch=32, asked=1.8)
    yield _throughput_row(setting, models, batch=1, asked=1.3)
    for model in (dense, mixed):
        model.backbone.compile_blocks()
    yield _throughput_row(setting, models, batch=1, asked=1.3, how=', blocks compiled')


def _throughput_row(setting: Setting, models: dict[str, nn.Module], batch: int, asked: float, how: str = '') -> Row:
    images = setting.images(batch, 3, SIZE, SIZE)
    runs = {name: lambda model=model: model(images, mode='tensor') for name, model in models.items()}
    measured = setting.measure(runs)
    name, baseline = f'MSSeg-S, batch of {batch}, {TOKENS} tokens each{how}', f"Seg-S on this project's blocks{how}"
    return measured.row('mixed', 'dense', name, baseline, asked, f'{batch / measured.seconds["mixed"]:.0f} images/s')

"""Batches: ragged on one row against padding."""

from collections.abc import Iterator

import torch

from ..memory import peak_memory
from .models import fine_masks, mixed_vit
from .row import Row, Setting

SIZE = 512
RAGGED = [400, 451, 502, 553, 604, 655, 706, 760]  # tokens of each image


def batch_rows(setting: Setting) -> Iterator[Row]:
    """Packed execution against padding to the longest with a key mask."""
    images, masks = setting.images(len(RAGGED), 3, SIZE, SIZE), fine_masks(SIZE, RAGGED).to(setting.device)
    nets = {layout: setting.place(mixed_vit(SIZE, layout=layout)) for layout in ('packed', 'trimmed')}
    runs = {layout: lambda net=net: net(images, fine_mask=masks) for layout, net in nets.items()}
    measured = setting.measure(runs, slow=True)
    with torch.inference_mode():
        memory = peak_memory(runs['packed']) / peak_memory(runs['trimmed'])
    name = f'MSViT-S, batch of {len(RAGGED)}, {min(RAGGED)} to {max(RAGGED)} tokens, packed'
    yield measured.row('packed', 'trimmed', name, 'padded to the longest, masked', 1.4, f'peak memory {memory:.2f}x')

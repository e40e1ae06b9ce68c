"""A half-coarse mask in other hosts: Swin, EViT and DynamicViT, each against itself without mixed scale."""

from collections.abc import Iterator

import timm
from torch import Tensor

from ...backbones import MSDyViT, MSEViT, MSSwin
from ..decisions import random_masks
from .row import Row, Setting

SWIN_REGION, SWIN_SIZES = 16, (224, 512)


def host_rows(setting: Setting) -> Iterator[Row]:
    """Measure hosts under random masks, half of the regions coarse."""
    for size in SWIN_SIZES:
        yield from _swin_rows(setting, size)
    for host, plain in ((MSEViT, 'EViT'), (MSDyViT, 'DynamicViT')):
        for batch in (1, 8):
            yield _pruning_row(setting, host, plain, batch)


def _swin_rows(setting: Setting, size: int) -> Iterator[Row]:
    timms = timm.create_model('swin_tiny_patch4_window7_224', img_size=size, num_classes=0, global_pool='')
    mixed = MSSwin(img_size=size, coarse_patch_size=SWIN_REGION, out_type='avg_featmap')
    timms, mixed = setting.place(timms).eval(), setting.place(mixed).eval()
    images, mask = setting.images(1, 3, size, size), _half_coarse(1, size // SWIN_REGION).to(setting.device)
    name = f'MSSwin-T, {size} px, half of the regions coarse, S_c = {SWIN_REGION}'
    theirs, ours = "timm's Swin-T", "Swin-T on this project's blocks"
    runs = {theirs: lambda: timms(images), ours: lambda: mixed(images), name: lambda: mixed(images, mask)}
    measured = setting.measure(runs)
    yield measured.row(name, theirs, 1.2)
    yield measured.row(name, ours)


def _pruning_row(setting: Setting, host: type[MSEViT] | type[MSDyViT], plain: str, batch: int, size: int = 224) -> Row:
    net = setting.place(host('deit_small_patch16_224')).eval()
    images = setting.images(batch, 3, size, size)
    mask = _half_coarse(batch, size // net.coarse_patch_size).to(setting.device)
    name = f'MS-{plain}, DeiT-S, {size} px, half of the regions coarse' + (f', batch of {batch}' if batch > 1 else '')
    name = name.replace('DynamicViT', 'DyViT')
    return setting.measure({plain: lambda: net(images), name: lambda: net(images, mask)}).row(name, plain, 1.2)


def _half_coarse(batch: int, side: int) -> Tensor:
    return random_masks([side**2 // 2] * batch, (side, side))

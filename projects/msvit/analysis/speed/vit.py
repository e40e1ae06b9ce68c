"""The backbone alone, one image at a time: gate, embedding and blocks."""

from collections.abc import Iterator

from .models import PATCH, mixed_vit, plain_vit
from .row import Row, Setting

SIZES = {224: (139, 1.32), 512: (586, 2.0)}  # pixels: tokens, and the speed-up asked for


def vit_rows(setting: Setting) -> Iterator[Row]:
    """MSViT-S against timm's ViT-S: on the same image, and at as many tokens."""
    for size, (tokens, asked) in SIZES.items():
        yield from _rows_at(setting, size, tokens, asked)


def _rows_at(setting: Setting, size: int, tokens: int, asked: float) -> Iterator[Row]:
    images, strip = setting.images(1, 3, size, size), setting.images(1, 3, PATCH, PATCH * tokens)
    dense, as_many = setting.place(plain_vit(size)), setting.place(plain_vit((PATCH, PATCH * tokens)))
    mixed, all_fine = setting.place(mixed_vit(size, tokens)), setting.place(mixed_vit(size))
    runs = dict(
        dense=lambda: dense(images),
        mixed=lambda: mixed(images),
        as_many=lambda: as_many(strip),
        all_fine=lambda: all_fine(images),
        tokenize=lambda: mixed.tokenize(images),
    )
    measured = setting.measure(runs)
    name, plain = f'MSViT-S, {size} px, {tokens} tokens', f'ViT-S, {(size // PATCH) ** 2} tokens'
    share = f'gate and tokens {measured.seconds["tokenize"] / measured.seconds["mixed"]:.1%} of the time'
    yield measured.row('mixed', 'dense', name, plain, asked, share)
    yield measured.row('mixed', 'as_many', name, f'ViT-S, {tokens} tokens', 1 / 1.04)
    yield measured.row('mixed', 'all_fine', name, "ViT-S on this project's blocks")

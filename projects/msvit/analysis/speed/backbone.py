"""The backbone alone: gate, embedding and blocks."""

from collections.abc import Iterator
from functools import partial

import torch

from ...quantization import quantize_linears
from .models import PATCH, mixed_vit, peers_of, plain_vit
from .row import Row, Setting

SIZES = {224: (139, 1.32), 512: (586, 2.0)}  # pixels: tokens, and the speed-up asked for


def vit_rows(setting: Setting) -> Iterator[Row]:
    """Measure MSViT-S against timm's ViT-S, one image at a time: on the same image, and at as many tokens."""
    for size, (tokens, asked) in SIZES.items():
        images, strip = setting.images(1, 3, size, size), setting.images(1, 3, PATCH, PATCH * tokens)
        dense, as_many = setting.place(plain_vit(size)), setting.place(plain_vit((PATCH, PATCH * tokens)))
        mixed, all_fine = setting.place(mixed_vit(size, tokens)), setting.place(mixed_vit(size))
        name, plain = f'MSViT-S, {size} px, {tokens} tokens', f'ViT-S, {(size // PATCH) ** 2} tokens'
        same, ours = f'ViT-S, {tokens} tokens', "ViT-S on this project's blocks"
        runs = {
            plain: partial(dense, images),
            name: partial(mixed, images),
            same: partial(as_many, strip),
            ours: partial(all_fine, images),
            'tokenize': partial(mixed.tokenize, images),
        }
        measured = setting.measure(runs)
        share = measured.seconds['tokenize'] / measured.seconds[name]
        yield measured.row(name, plain, asked, f'gate and tokens {share:.1%} of the time')
        yield measured.row(name, same, 1 / 1.04)
        yield measured.row(name, ours)


def peer_rows(setting: Setting) -> Iterator[Row]:
    """Measure MSViT-S, gate included, against token merging (ToMe) and token pruning (EViT, DynamicViT) at equal MACs."""
    for size, (tokens, _) in SIZES.items():
        mixed = setting.place(mixed_vit(size, tokens))
        dense, peers = peers_of(mixed, size, setting)
        for batch in (1, 8) if size == min(SIZES) else (1,):
            name = f'MSViT-S, {size} px, {tokens} tokens' + (f', batch of {batch}' if batch > 1 else '')
            images = setting.images(batch, 3, size, size)
            models = {'dense': dense, name: mixed, **peers}
            measured = setting.measure({key: partial(model, images) for key, model in models.items()})
            gain = {key: measured.seconds['dense'] / seconds for key, seconds in measured.seconds.items()}
            for peer in peers:
                note = f'faster than ViT-S: {gain[name]:.2f}x, {peer.partition(",")[0]} {gain[peer]:.2f}x'
                yield measured.row(name, peer, 1.0, note)


def precision_rows(setting: Setting) -> Iterator[Row]:
    """Measure MSViT-S under bf16 autocast, and on a CPU with 8-bit layers, against itself in float32, decisions alike."""
    size, (tokens, _) = max(SIZES.items())
    net, images = mixed_vit(size, tokens).to(setting.device), setting.images(1, 3, size, size).float()

    def half() -> object:
        with torch.autocast(setting.device.type, dtype=torch.bfloat16):
            return net(images)

    runs = {'single': lambda: net(images), 'bf16 autocast': half}
    if setting.device.type == 'cpu':
        small = quantize_linears(net)
        runs['8-bit linear layers'] = lambda: small(images)
    times = setting.time(runs)
    with torch.inference_mode():
        single, *maps = (run()[0].to_map().float() for run in runs.values())
    for label, features in zip(list(runs)[1:], maps, strict=True):
        note = f'features differ by {(features - single).norm() / single.norm():.1%}'
        name = f'MSViT-S, {size} px, {tokens} tokens, {label}'
        yield Row(name, 'the same in float32', (times[label], times['single']), note=note)

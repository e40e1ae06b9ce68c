"""Mixed scale against other ways to drop tokens, on the same weights at equal MACs."""

from collections.abc import Iterator

from torch import nn

from ...linear import adopt_linears
from ..macs import count_macs
from ..peers.tome import apply_tome, r_for_macs
from .models import PATCH, mixed_vit, plain_vit
from .row import Row, Setting
from .vit import SIZES


def peer_rows(setting: Setting) -> Iterator[Row]:
    """MSViT-S, gate included, against token merging (ToMe)."""
    for size, (tokens, _) in SIZES.items():
        dense, mixed = setting.place(plain_vit(size)), setting.place(mixed_vit(size, tokens))
        dense.load_state_dict(mixed.state_dict(), strict=False)
        adopt_linears(dense)  # the same matrix products for all
        image = setting.images(1, 3, size, size)
        r = r_for_macs(dense, (size // PATCH) ** 2, count_macs(lambda mixed=mixed, image=image: mixed(image)))
        models = dict(dense=dense, mixed=mixed, merging=apply_tome(dense, r))
        yield _row(setting, models, size, f'MSViT-S, {size} px, {tokens} tokens', f'ToMe, r = {r}')
        if size == min(SIZES):
            yield _row(setting, models, size, f'MSViT-S, {size} px, {tokens} tokens, batch of 8', f'ToMe, r = {r}', batch=8)


def _row(setting: Setting, models: dict[str, nn.Module], size: int, name: str, baseline: str, batch: int = 1) -> Row:
    images = setting.images(batch, 3, size, size)
    runs = {name: lambda model=model: model(images) for name, model in models.items()}
    measured = setting.measure(runs)
    gain = {name: measured.seconds['dense'] / seconds for name, seconds in measured.seconds.items()}
    note = f'faster than ViT-S: {gain["mixed"]:.2f}x, ToMe {gain["merging"]:.2f}x'
    return measured.row('mixed', 'merging', name, baseline, 1.0, note)

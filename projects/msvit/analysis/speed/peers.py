"""Mixed scale against other ways to drop tokens, on the same weights at equal MACs."""

from collections.abc import Iterator

from torch import nn

from ...backbones import MSDyViT, MSEViT
from ...linear import adopt_linears
from ..macs import count_macs
from ..peers import peers_at_macs
from .models import ARCH, PATCH, mixed_vit, plain_vit
from .row import Row, Setting
from .vit import SIZES

PRUNING = dict(EViT=MSEViT, DynamicViT=MSDyViT)


def peer_rows(setting: Setting) -> Iterator[Row]:
    """MSViT-S, gate included, against token merging (ToMe) and token pruning (EViT, DynamicViT)."""
    for size, (tokens, _) in SIZES.items():
        dense, mixed = setting.place(plain_vit(size)), setting.place(mixed_vit(size, tokens))
        dense.load_state_dict(mixed.state_dict(), strict=False)
        adopt_linears(dense)  # the same matrix products for all
        image = setting.images(1, 3, size, size)
        macs = count_macs(lambda mixed=mixed, image=image: mixed(image))
        hosts = {name: setting.place(kind(ARCH, img_size=size, out_type='tokens')).eval() for name, kind in PRUNING.items()}
        for host in hosts.values():
            host.load_state_dict(mixed.state_dict(), strict=False)
        peers = peers_at_macs(dense, hosts, image, (size // PATCH) ** 2, macs)
        peers = {', '.join(names): peer for names, peer in peers.items()}
        models = dict(dense=dense, mixed=mixed, **peers)
        name = f'MSViT-S, {size} px, {tokens} tokens'
        yield from _rows(setting, models, size, name)
        if size == min(SIZES):
            yield from _rows(setting, models, size, f'{name}, batch of 8', batch=8)


def _rows(setting: Setting, models: dict[str, nn.Module], size: int, name: str, batch: int = 1) -> Iterator[Row]:
    images = setting.images(batch, 3, size, size)
    measured = setting.measure({key: lambda model=model: model(images) for key, model in models.items()})
    gain = {key: measured.seconds['dense'] / seconds for key, seconds in measured.seconds.items()}
    for peer in list(models)[2:]:
        note = f'faster than ViT-S: {gain["mixed"]:.2f}x, {peer.partition(",")[0]} {gain[peer]:.2f}x'
        yield measured.row('mixed', peer, name, peer, 1.0, note)

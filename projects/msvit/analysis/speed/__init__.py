"""How much faster mixed-scale tokens are than a plain ViT, padding and token merging: rows of ratios, measured in turns."""

from collections.abc import Callable, Iterator

from .backbone import peer_rows, precision_rows, vit_rows
from .hosts import host_rows
from .row import Row, Setting
from .segmenter import segmenter_rows
from .throughput import TOKENS, batch_rows, throughput_rows
from .training import training_rows

GROUPS: dict[str, Callable[[Setting], Iterator[Row]]] = {
    'vit': vit_rows,
    'segmenter': segmenter_rows,
    'batch': batch_rows,
    'training': training_rows,
    'precision': precision_rows,
    'peers': peer_rows,
    'hosts': host_rows,
    'throughput': throughput_rows,
}

__all__ = ['GROUPS', 'TOKENS', 'Row', 'Setting']

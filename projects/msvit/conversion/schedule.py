"""How long a conversion trains, and at which rate."""

from typing import Any

EPOCHS, FEWEST, MOST = 5, 200, 4000
LONGEST_WARM_UP = 50


def default_iters(images: int, batch_size: int) -> int:
    """Training steps for so many images: five times over all of them, at least 200 and at most 4000 steps."""
    return min(max(round(EPOCHS * images / batch_size), FEWEST), MOST)


def warm_up_and_decay(iters: int) -> list[dict[str, Any]]:
    """Schedulers for so many steps: a short warm-up to the optimiser's own rate, for its moments are new, then linear to 0."""
    warm_up = min(LONGEST_WARM_UP, iters // 10)
    decay = dict(type='PolyLR', power=1.0, eta_min=0.0, begin=warm_up, end=iters, by_epoch=False)
    if warm_up < 2:
        return [decay]
    return [dict(type='LinearLR', start_factor=0.01, begin=0, end=warm_up, by_epoch=False), decay]

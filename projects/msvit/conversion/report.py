"""What a conversion gives, against the dense model: figures and pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from mmengine.device import get_device
from tqdm import tqdm

from ..analysis.latency import describe_machine, seconds_per_item
from ..analysis.model import AnalysedModel
from ..analysis.samples import DatasetSamples, FileSamples
from .configs import with_tokens_counted
from .conversion import Conversion
from .drawing import draw_curve, draw_scales
from .measuring import AGREEMENT, LabelledTest, Reached, agreements, learned_gate, score_of
from .sweep import IMAGES, Setting, gate_values, recommend, spread_thresholds

SHOWN = 8


@dataclass(frozen=True)
class Report:
    """Figures of a conversion.

    Args:
        metric: what the scores are.
        images: how many the speed was measured on.
        dense: what the dense model reaches and costs.
        mixed: the mixed-scale one, as it was trained.
        seconds: of the whole model for an image, by ``dense`` and ``mixed``.
        machine: that took them.
        settings: of the sweep; empty without one.
        wanted: score that the recommended setting comes near.
        best: the recommended one of the settings.
    """

    metric: str
    images: int
    dense: Reached
    mixed: Reached
    seconds: dict[str, float]
    machine: str
    settings: Sequence[Setting]
    wanted: float
    best: Setting | None


def report_conversion(conversion: Conversion, sweep: bool = False, tell: Callable[[str], None] = print) -> Report:
    """Measure a finished conversion and draw its pictures.

    Args:
        conversion: trained.
        sweep: look at thresholds that are spread over all shares of fine regions too.
        tell: is told what is being measured.
    """
    folder, device = conversion.folder, torch.device(get_device())
    dense = AnalysedModel(conversion.dense_config, conversion.dense_checkpoint, device)
    mixed = AnalysedModel(conversion.mixed_config, folder.checkpoint, device)
    training = conversion.training_config.train_dataloader
    spread = spread_thresholds(gate_values(mixed, training, training=True, images=IMAGES)) if sweep else []
    thresholds = [threshold for _, threshold in spread]
    also = f' at {1 + len(spread)} thresholds' if spread else ''
    tell(f'Testing the dense model, and the mixed-scale one{also}')
    measure = _agree if conversion.images else _test
    metric, at_dense, at_mixed, swept = measure(conversion, dense, mixed, thresholds)
    settings = [Setting(*place, reached) for place, reached in zip(spread, swept, strict=True)]
    # no threshold agrees with the dense model everywhere
    wanted = max((one.reached.score for one in settings), default=100.0) if conversion.images else at_dense.score
    best = recommend(settings, wanted)

    samples = FileSamples(mixed, conversion.images.test[:SHOWN]) if conversion.images else DatasetSamples(mixed, SHOWN)
    samples = list(samples)
    with torch.inference_mode():
        seconds = seconds_per_item(dict(dense=dense.forward, mixed=mixed.forward), [one.inputs for one in samples])
    draw_scales(mixed, dense, conversion.dense_checkpoint, samples, folder.scales)
    if settings:
        draw_curve(settings, at_dense, best, wanted, metric, folder.curve)
    machine = describe_machine(device)
    return Report(metric, len(samples), at_dense, at_mixed, seconds, machine, settings, wanted, best)


def _test(
    conversion: Conversion, dense: AnalysedModel, mixed: AnalysedModel, thresholds: Sequence[float]
) -> tuple[str, Reached, Reached, list[Reached]]:
    """By the metrics of the config, on its test data."""
    logs = conversion.folder.training
    at_dense = LabelledTest(
        with_tokens_counted(conversion.dense_config), conversion.dense_checkpoint, logs / 'test_dense', 'dense'
    )()
    test = LabelledTest(conversion.mixed_config, conversion.folder.checkpoint, logs / 'test_mixed', 'mixed')
    at_mixed = test()
    swept = [test(threshold) for threshold in tqdm(thresholds, desc='test', unit='threshold', leave=False, disable=None)]
    return score_of(at_dense.metrics), at_dense, at_mixed, swept


def _agree(
    conversion: Conversion, dense: AnalysedModel, mixed: AnalysedModel, thresholds: Sequence[float]
) -> tuple[str, Reached, Reached, list[Reached]]:
    """By agreement with the dense model, on the images that were held back."""
    assert conversion.images is not None
    trained = learned_gate(mixed).threshold
    samples = FileSamples(mixed, conversion.images.test)
    at_dense, (at_mixed, *swept) = agreements(mixed, dense, samples, [trained, *thresholds])
    return AGREEMENT, at_dense, at_mixed, swept

"""Mean and variance of the scale masks at every region over a data set, and learned priors (the paper's Figures 7 and 15).

  msvit masks CONFIG CHECKPOINT --picture masks.png                          over the config's test set
  msvit masks CONFIG CHECKPOINT --name GBaS --also CONFIG2 CHECKPOINT2 L0    several models, one column each
  msvit masks CONFIG CHECKPOINT --images photos --out masks.json             over your images

"By the image" is the mean variance as a share of the most that the share p of fine regions allows, p (1 - p): 0 is a fixed
pattern, at 1 every region is fine as often as any other. Models under GBaS have learned prior means too, shown beside their
initial values. Masks are laid on the grid of regions that most images have, or on that of the config's own size; those of
another grid are resampled by area, which averages and so lowers their variance.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from ...analysis.mask_drawing import draw_masks
from ...analysis.mask_statistics import MaskStatistics, choose_grid, decide, learned_priors
from ..arguments import add_images, add_model, add_output, load, samples_of
from ..output import about, progress, refuse_overwriting, report_left_out, say, show_rows, write_json


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument('--name', help='of the model (default: that of its config)')
    parser.add_argument(
        '--also',
        nargs=3,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT', 'NAME'),
        help='another model, on its own test set or the same --images; may be given several times',
    )
    add_images(parser, count=500)
    add_output(parser, picture='draw the maps, one column for each model')


def run(args: Namespace) -> None:
    refuse_overwriting(args)
    names = [args.name or Path(args.config).stem, *(name for *_, name in args.also)]
    statistics, priors, left_out = [], [], []
    for name, files in zip(names, [(args.config, args.checkpoint), *(also[:2] for also in args.also)], strict=True):
        model = load(args, *files)
        samples = samples_of(args, model)
        masks = [decide(model, sample) for sample in progress(samples, name)]
        report_left_out([one for one in samples.left_out if one not in left_out], len(masks))
        left_out += [one for one in samples.left_out if one not in left_out]
        statistics.append(MaskStatistics.of(masks, choose_grid(model, masks)))
        priors.append(learned_priors(model))

    columns = {
        '': '{name}',
        'images': '{images}',
        'regions': '{regions}',
        'fine': '{fine:.1%}',
        'least': '{least:.1%}',
        'most': '{most:.1%}',
        'variance': '{mean_variance:.4f}',
        'by the image': '{image_dependence:.1%}',
    }
    models = [_figures(*one) for one in zip(names, statistics, priors, strict=True)]
    extremes = [dict(regions=_by(one), least=float(one.mean.min()), most=float(one.mean.max())) for one in statistics]
    show_rows([one | ends for one, ends in zip(models, extremes, strict=True)], columns, 'scale masks')
    say('least, most: of the regions; variance: mean over regions; by the image: its share of what "fine" allows at most')
    for name, one in zip(names, statistics, strict=True):
        if one.resampled:
            say(f'{name}: {one.resampled} of {one.images} masks resampled by area to {_by(one)} regions')
    if args.picture:
        draw_masks(names, statistics, priors, args.picture)
    write_json(args.out, dict(about=about(args), models=models, left_out=left_out))


def _by(statistics: MaskStatistics) -> str:
    return 'x'.join(map(str, statistics.mean.shape))


def _figures(name: str, statistics: MaskStatistics, priors: tuple[Tensor, Tensor] | None) -> dict[str, Any]:
    totals = {key: getattr(statistics, key) for key in ('fine', 'mean_variance', 'image_dependence')}
    return {
        'name': name,
        **asdict(statistics),
        **totals,
        'priors': priors and dict(zip(('initial', 'learned'), priors, strict=True)),
    }

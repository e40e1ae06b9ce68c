"""Generates DigitScenes, the data set that needs no download: handwritten digits on real photographs, 11 classes.

python tools/dataset_converters/digit_scenes.py data/digit_scenes

With --boxes also annotations/instances_{train,val}.json in COCO's form, a box and a mask for each digit, for detectors.
"""

import argparse

from msvit.datasets.digit_instances import build_digit_instances
from msvit.datasets.digit_scenes import build_digit_scenes


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', nargs='?', default='data/digit_scenes', help='folder to write (default: %(default)s)')
    parser.add_argument('--train', type=int, default=2000, help='number of training scenes (default: %(default)s)')
    parser.add_argument('--val', type=int, default=200, help='number of validation scenes (default: %(default)s)')
    parser.add_argument('--size', type=int, default=128, help='side of the scenes in pixels (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='seed of everything random (default: %(default)s)')
    parser.add_argument(
        '--digits-per-scene', type=int, nargs=2, default=(1, 3), metavar=('FEWEST', 'MOST'), help='(default: 1 3)'
    )
    parser.add_argument('--boxes', action='store_true', help="write boxes and masks in COCO's form too")
    parser.add_argument('--overwrite', action='store_true', help='replace one of other settings, or with files missing')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    settings = vars(parse_args(argv))
    boxes = settings.pop('boxes')
    try:
        root = build_digit_scenes(**settings)
        if boxes:
            build_digit_instances(root)
    except (ValueError, FileExistsError, FileNotFoundError, ImportError) as error:
        raise SystemExit(f'error: {error}') from None
    print(f'DigitScenes is ready in {root}')


if __name__ == '__main__':
    main()

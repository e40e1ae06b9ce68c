"""Lists the files of a segmentation data set that cannot be read, and annotations of another size than their images, or with
values that are no class.

python tools/dataset_converters/verify_files.py data/camvid --num-classes 11

Every image in FOLDER and below is decoded; those in FOLDER/annotations are compared with their images in FOLDER/images. With
--num-classes, their values are checked too.
The exit status is 1 where anything was found.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

from msvit.datasets.verify import broken_reason, unusable_labels_reason, wrong_labels_reason

SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp'}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='root of the data set')
    parser.add_argument('--num-classes', type=int, help='check that annotations hold 0..N-1 and 255 only')
    parser.add_argument('--reduce-zero-label', action='store_true', help='0 is void in the files: they hold 0..N and 255')
    return parser.parse_args(argv)


def find_problems(folder: Path, num_classes: int | None = None, reduce_zero_label: bool = False) -> list[str]:
    """What is wrong, one line per file, sorted by path."""
    files = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(f'{folder} holds no image file')
    broken = {path: broken_reason(str(path)) for path in tqdm(files, desc='verify', unit='file')}
    images, annotations = folder / 'images', folder / 'annotations'
    image_of = {path.relative_to(images).with_suffix(''): path for path in files if path.is_relative_to(images)}
    problems = []
    for path, reason in broken.items():
        if reason is None and path.is_relative_to(annotations):
            if num_classes is not None:
                reason = wrong_labels_reason(str(path), num_classes, reduce_zero_label)
            image = image_of.get(path.relative_to(annotations).with_suffix(''))
            if reason is None and image is not None and broken[image] is None:
                reason = unusable_labels_reason(str(image), str(path))
        if reason is not None:
            problems.append(f'{path}: {reason}')
    return problems


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        problems = find_problems(args.folder, args.num_classes, args.reduce_zero_label)
    except FileNotFoundError as error:
        raise SystemExit(f'error: {error}') from None
    print('\n'.join([*problems, f'{len(problems)} bad files']))
    raise SystemExit(1 if problems else 0)


if __name__ == '__main__':
    main()

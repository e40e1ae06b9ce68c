"""Several threads may load checkpoints at the same time."""

from concurrent.futures import ThreadPoolExecutor

import torch
from mmengine.logging import HistoryBuffer

from msvit.checkpoints import read_checkpoint
from msvit.engine.safe_load import load_checkpoint_file


def test_no_whole_file_is_called_corrupt(tmp_path):
    path = tmp_path / 'a.pth'
    history = {str(number): HistoryBuffer([1.0], [1]) for number in range(100)}
    torch.save({'state_dict': {'w': torch.ones(2)}, 'meta': {'iter': 1}, 'message_hub': history}, path)
    with ThreadPoolExecutor(8) as threads:
        loaded = [threads.submit((load_checkpoint_file, read_checkpoint)[number % 2], path) for number in range(48)]
    assert all(future.exception() is None for future in loaded)

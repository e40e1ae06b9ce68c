"""Trains one config after the other by tools/train.py, in this process or as one of those that torchrun starts.

python train_all.py CONFIG WORK_DIR [CONFIG WORK_DIR ...] [-- arguments for all]
"""

import runpy
import sys
from pathlib import Path

import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

TRAIN = str(Path(__file__).resolve().parents[2] / 'tools' / 'train.py')

if __name__ == '__main__':
    torch.set_num_threads(1)
    arguments, _, shared = ' '.join(sys.argv[1:]).partition(' -- ')
    names = iter(arguments.split())
    for config, work_dir in zip(names, names, strict=True):
        for instances in (DefaultScope, MessageHub, MMLogger, Visualizer):  # a new process has none of these yet
            instances._instance_dict.clear()
        sys.argv = ['train.py', config, '--work-dir', work_dir, *shared.split()]
        runpy.run_path(TRAIN, run_name='__main__')

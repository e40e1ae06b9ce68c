"""Several processes without GPUs: for tests, and for clusters of CPUs."""

import torch.distributed as dist
from mmengine.config import Config
from mmengine.device import get_device


def join_cpu_processes(cfg: Config) -> None:
    """Let a runner that torchrun started on CPUs train in a gloo process group; mmengine itself expects GPUs.

    Args:
        cfg: of the run, with ``launcher='pytorch'``; otherwise, or with GPUs, nothing happens.
    """
    if cfg.get('launcher') != 'pytorch' or get_device() != 'cpu':
        return
    if not dist.is_initialized():
        dist.init_process_group('gloo')
    if 'strategy' not in cfg:  # DDP takes no device numbers on CPUs
        wrapper = dict(type='MMDistributedDataParallel', broadcast_buffers=False, device_ids=None)
        wrapper['find_unused_parameters'] = cfg.get('find_unused_parameters', False)
        cfg.model_wrapper_cfg = {**wrapper, **(cfg.get('model_wrapper_cfg') or {})}

"""Parts of the toy configs: a gate whose draws do not depend on the batch, hooks that write down what every rank saw and kill
one, mixed precision on CPUs, which mmengine's wrapper refuses."""

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS, OPTIM_WRAPPERS
from mmengine.runner.amp import autocast
from torch import Tensor, nn

from msvit.gates import GateOutput, MLPGate
from msvit.registry import MODELS


@MODELS.register_module(force=True)
class KeyedGate(MLPGate):
    """Noise made from each image, the same in whichever batch and process it comes."""

    def forward(self, images: Tensor) -> GateOutput:
        if not self.training:
            return super().forward(images)
        logits = self.logits(images)
        uniform = torch.empty_like(logits, device='cpu')
        for noise, image in zip(uniform, images, strict=True):
            key = int(image.double().sum().mul(1000).round().item()) % 2**31
            noise.uniform_(0.02, 0.98, generator=torch.Generator().manual_seed(key))
        p_fine = torch.sigmoid((logits + torch.logit(uniform.to(logits.device))) / self.temperature)
        return GateOutput(p_fine, p_fine > 0.5)


@HOOKS.register_module(force=True)
class DieOnce(Hook):
    """The process of one rank is killed after an iteration; the file ``killed`` in the work dir says when, and that it was."""

    def __init__(self, rank: int, iteration: int) -> None:
        self.rank, self.iteration = rank, iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        trace = Path(runner.work_dir) / 'killed'
        if get_rank() == self.rank and batch_idx == self.iteration and not trace.exists():
            trace.touch()
            os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module(force=True)
class WriteLosses(Hook):
    """One line of JSON for each iteration and rank."""

    priority = 'VERY_LOW'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        losses = {name: float(value) for name, value in outputs.items() if 'loss' in name or name in ('tokens', 'fine_share')}
        with open(Path(runner.work_dir) / f'losses_{get_rank()}.jsonl', 'a') as file:
            file.write(json.dumps(losses) + '\n')


@OPTIM_WRAPPERS.register_module(force=True)
class BFloat16OptimWrapper(OptimWrapper):
    """What `AmpOptimWrapper` does on GPUs with ``dtype='bfloat16'``, which needs no loss scale."""

    @contextmanager
    def optim_context(self, model: nn.Module):
        with super().optim_context(model), autocast(device_type='cpu', dtype=torch.bfloat16):
            yield

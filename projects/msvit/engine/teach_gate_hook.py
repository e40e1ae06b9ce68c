"""Begin dense, teach the gate, go on with the regions that it chooses."""

from collections import deque
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any, cast

import torch
from mmengine.dist import all_gather_object, all_reduce_params
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from ..checks import check_count, check_flag, check_positive, check_share
from ..gates import LearnedGate
from ..losses import teaching_loss
from ..parts import build_teacher
from ..teachers import GateTeacher
from ..tokens import pad_to_multiple
from .gate_loss_hook import find_gated
from .host import host_of

_CALIBRATION_IMAGES = 160
_KEPT_LESSONS = 16  # batches in memory

Lesson = tuple[Tensor, Tensor]  # images, and what a teacher says of their regions


class TeachGateHook(Hook):
    """Teach the gates of mixed-scale backbones first and alone, once, within a training run.

    An untaught gate makes every region fine, so the run begins as that of the dense model. At ``begin`` the gate
    learns from a ``teacher``, alone, on training batches of its own; then it is calibrated to the wanted share and frozen, and
    the model learns on the tokens that it will have at test. A resumed run does not teach again what a checkpoint holds.

    Args:
        teacher: a `GateTeacher` or its config, such as ``dict(type='msvit.LabelTeacher')``.
        fine_share: mean share of fine regions over training images in the form that they would have at test, in (0, 1).
        begin: iteration of the run before which the gate is taught, >= 0.
        by_epoch: ``begin`` counts epochs.
        iters: teaching steps, >= 1; by default the teacher's own, `GateTeacher.iters`.
        lr: learning rate at the start of the teaching, > 0; it falls to 0.
        reuse: steps that each training batch serves, >= 1; by default the teacher's own.

    Raises:
        ValueError: an argument is out of range; in the run: no backbone has a learned gate, a gate is not ``frozen`` from the
            start, or the teacher finds all regions alike.
    """

    priority = 'VERY_HIGH'

    def __init__(
        self,
        teacher: GateTeacher | dict[str, Any],
        fine_share: float,
        begin: int = 0,
        by_epoch: bool = False,
        iters: int | None = None,
        lr: float = 2e-3,
        reuse: int | None = None,
    ):
        check_share('fine_share', fine_share)
        check_count('begin', begin)
        check_flag('by_epoch', by_epoch)
        check_positive('lr', lr)
        self.teacher = build_teacher(teacher)
        self.iters = self.teacher.iters if iters is None else iters
        self.reuse = self.teacher.reuse if reuse is None else reuse
        check_count('iters', self.iters, least=1)
        check_count('reuse', self.reuse, least=1)
        self.fine_share, self.begin, self.by_epoch, self.lr = fine_share, begin, by_epoch, lr

    def before_train(self, runner: Runner) -> None:
        """Find the gates."""
        gates = self._gates(runner)
        if not gates or not all(isinstance(gate, LearnedGate) for gate in gates):
            raise ValueError(
                "TeachGateHook finds no gate to teach: give the backbone gate=dict(type='msvit.ContextGate', frozen=True), or "
                'remove the hook'
            )
        if not all(gate.frozen for gate in gates):
            raise ValueError('the gate that TeachGateHook teaches must not train beside the model: give it frozen=True')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        begins = runner.epoch == self.begin and batch_idx == 0 if self.by_epoch else runner.iter == self.begin
        if begins:
            for gate in self._gates(runner):
                self._teach(gate, runner)

    def _gates(self, runner: Runner) -> list[LearnedGate]:
        return [cast(LearnedGate, backbone.gate) for backbone in find_gated(host_of(runner)) if backbone.gate is not None]

    def _teach(self, gate: LearnedGate, runner: Runner) -> None:
        parameters = list(gate.requires_grad_().parameters())
        optimizer = torch.optim.AdamW(parameters, lr=self.lr, weight_decay=0.01)
        schedule = CosineAnnealingLR(optimizer, self.iters)
        lowest, highest = torch.inf, -torch.inf
        report_every = max(self.iters // 10, 1)
        batches = _reused(self._batches(gate, runner), self.reuse)
        for step in range(1, self.iters + 1):
            images, targets = next(batches)
            loss = teaching_loss(gate.logits(images), targets)
            optimizer.zero_grad()
            loss.backward()
            all_reduce_params([p.grad for p in parameters], op='mean')
            optimizer.step()
            schedule.step()
            low, high = _range(targets)
            lowest, highest = min(lowest, low), max(highest, high)
            if step % report_every == 0:
                runner.logger.info(f'Teaching the gate [{step}/{self.iters}]  loss: {loss.item():.4f}')
        gate.freeze()
        optimizer.zero_grad()  # the run's optimiser may hold the gate too, and steps before it clears gradients
        spans = all_gather_object((lowest, highest))
        lowest, highest = min(span[0] for span in spans), max(span[1] for span in spans)
        if not highest - lowest > 1e-6:
            raise ValueError(
                f'{type(self.teacher).__name__} finds all regions of the training images alike, so there is nothing that the '
                'gate could learn: look at the labels, or take another teacher'
            )
        logits = self._logits_as_at_test(gate, runner)
        gate.calibrate_logits(torch.cat(all_gather_object(logits)), self.fine_share)

    @torch.no_grad()
    def _logits_as_at_test(self, gate: LearnedGate, runner: Runner) -> Tensor:
        """Log-odds of training images as validation or test would see them: their crops have other shares of fine regions."""
        loader = deepcopy(runner.cfg.train_dataloader)
        tested = deepcopy(runner.cfg.get('val_dataloader') or runner.cfg.get('test_dataloader'))
        as_at_test = bool(tested) and 'pipeline' in tested.dataset and 'pipeline' in loader.dataset
        if as_at_test:
            loader.dataset.pipeline = tested.dataset.pipeline
            loader = dict(tested, sampler=loader.sampler, dataset=loader.dataset)
        host, logits, images = host_of(runner), [], 0
        for batch in runner.build_dataloader(loader, seed=runner.seed):
            inputs = host.data_preprocessor(batch, training=not as_at_test)['inputs']
            logits.append(gate.logits(pad_to_multiple(inputs, gate.coarse_patch_size)).flatten().cpu())
            images += len(inputs)
            if images >= _CALIBRATION_IMAGES:  # the samplers of training may never end
                break
        return torch.cat(logits)

    @torch.no_grad()
    def _batches(self, gate: LearnedGate, runner: Runner) -> Iterator[Lesson]:
        """Endless images, padded to whole regions, and what the teacher says of them; the run's own data stay in order."""
        host = host_of(runner)
        loader = runner.build_dataloader(deepcopy(runner.cfg.train_dataloader), seed=runner.seed)
        while True:
            for batch in loader:
                data = host.data_preprocessor(batch, training=True)
                images = pad_to_multiple(data['inputs'], gate.coarse_patch_size)
                with cast(OptimWrapper, runner.optim_wrapper).optim_context(runner.model):  # in the precision of the run
                    targets = self.teacher.targets(host, data, gate.coarse_patch_size)
                yield images, targets.float()


def _reused(lessons: Iterator[Lesson], times: int) -> Iterator[Lesson]:
    """Hand out each lesson so many times on average, at random among the last ones."""
    if times == 1:
        yield from lessons
        return
    kept, draw = deque(maxlen=_KEPT_LESSONS), Random(0)
    for lesson in lessons:
        kept.append(lesson)
        for _ in range(times):
            yield draw.choice(kept)


def _range(targets: Tensor) -> tuple[float, float]:
    known = targets[~targets.isnan()]
    return (known.min().item(), known.max().item()) if len(known) else (torch.inf, -torch.inf)

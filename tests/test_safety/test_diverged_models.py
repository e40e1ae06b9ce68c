"""A loss or weights of NaN: the training stops, nothing of it is saved, and nobody takes it for a result."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from torch import nn

from msvit.checkpoints.finite import not_finite
from msvit.engine import FiniteLossHook
from msvit.registry import HOOKS


@HOOKS.register_module(force=True)
class DivergeForTest(Hook):
    """Weights become NaN: before iteration 5, or after the step of iteration 6, whose loss is finite."""

    def __init__(self, after: bool) -> None:
        self.after = after

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 4 and not self.after:
            self.diverge(runner.model)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 5 and self.after:
            self.diverge(runner.model)

    @torch.no_grad()
    def diverge(self, model: nn.Module) -> None:
        model.decode_head.conv_seg.weight[0] = float('nan')


@pytest.mark.parametrize(
    ('after', 'message'),
    [
        (False, r'the loss is not finite in iteration 5: .*decode\.loss_ce = nan.* The batch: .*\d\.png, .*\d\.png\.'),
        (True, r'the weights are not finite in iteration 6: decode_head\.conv_seg\.weight'),
    ],
    ids=['loss', 'weights alone'],
)
def test_training_stops_and_keeps_what_is_finite(toy_config, tmp_path, run_tool, after, message):
    config = tmp_path / 'diverging.py'
    config.write_text(
        toy_config.read_text()
        + f"custom_hooks.append(dict(type='msvit.DivergeForTest', after={after}, priority='VERY_HIGH'))\n"
    )
    with pytest.raises(SystemExit, match=message):
        run_tool('train.py', config, '--work-dir', tmp_path / 'w')
    kept = {path.name: torch.load(path, weights_only=False) for path in (tmp_path / 'w').glob('*.pth')}
    assert kept.keys() == {'iter_3.pth', 'best_mIoU_iter_3.pth'}
    assert not any(not_finite(checkpoint['state_dict']) for checkpoint in kept.values())


@pytest.mark.parametrize('tool', [['test.py', '{config}', '{path}'], ['train.py', '{config}', '--resume', '{path}']])
def test_weights_that_are_not_finite_are_refused(toy_config, tmp_path, run_tool, tool):
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'w', '--no-validate', options=('train_cfg.max_iters=1',))
    path = tmp_path / 'w' / 'iter_1.pth'
    checkpoint = torch.load(path, weights_only=False)
    checkpoint['state_dict']['decode_head.conv_seg.bias'][0] = float('inf')
    torch.save(checkpoint, path)
    with pytest.raises(SystemExit, match=r'NaN or infinite .* decode_head\.conv_seg\.bias'):
        run_tool(*(argument.format(config=toy_config, path=path) for argument in tool))


def test_a_loss_scaler_may_skip_some_steps_but_not_all():
    hub = MessageHub('scaled')
    runner = SimpleNamespace(message_hub=hub, iter=7, optim_wrapper=SimpleNamespace(loss_scaler=None))
    hook = FiniteLossHook()

    def step(loss: float) -> None:
        hub.update_scalar('train/loss', loss)
        hook.after_train_iter(runner, 0, None, {'loss': loss})

    for _ in range(3):
        for _ in range(19):
            step(float('inf'))
        step(1.0)
    for _ in range(19):
        step(float('nan'))
    with pytest.raises(FloatingPointError, match='in iteration 8: loss = nan. The batch: of unknown files'):
        step(float('nan'))


def test_names_of_tensors_that_are_not_finite():
    state = {
        'a': torch.ones(2),
        'b': torch.tensor([1.0, torch.nan]),
        'c': torch.tensor(3),
        'd': 'text',
        'e': torch.tensor(-torch.inf),
    }
    assert not_finite(state) == ['b', 'e']

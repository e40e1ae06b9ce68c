"""Two processes train together, and one is killed: the other says so soon, and the resumed training is exact."""

import time

import pytest
import torch


@pytest.fixture(scope='module')
def killed(configs, train) -> dict:
    """A training whose second process dies after its second iteration, resumed; beside one that never stopped."""
    config, whole = configs['classifier_2'].with_name('killed_2.py'), configs['classifier_2'].with_name('whole_2.py')
    text = configs['classifier_2'].read_text() + 'train_cfg.update(max_iters=4, val_interval=4)\n'
    whole.write_text(text)
    config.write_text(text + "custom_hooks.append(dict(type='DieOnce', rank=1, iteration=1))\n")
    said = train(2, [config], ends=False)
    ended = time.time()
    seconds = ended - (config.with_suffix('') / 'killed').stat().st_mtime
    train(2, [config, whole], more=('--resume',))  # the second has nothing to resume
    return {'said': said, 'seconds': seconds, 'resumed': config.with_suffix(''), 'whole': whole.with_suffix('')}


def test_the_other_process_ends_within_a_minute_and_says_why(killed):
    assert 'error: another process of this training has ended, and this one ends too' in killed['said']
    assert '--resume goes on from the last checkpoint' in killed['said']
    assert killed['seconds'] < 60


def test_the_resumed_training_is_exact(killed):
    resumed, whole = (torch.load(killed[name] / 'iter_4.pth', weights_only=False) for name in ('resumed', 'whole'))
    assert resumed['state_dict'].keys() == whole['state_dict'].keys()
    assert all(torch.equal(resumed['state_dict'][name], value) for name, value in whole['state_dict'].items())
    for kept, value in zip(resumed['optimizer']['state'].values(), whole['optimizer']['state'].values(), strict=True):
        assert torch.equal(kept['momentum_buffer'], value['momentum_buffer'])

import runpy
from pathlib import Path

import pytest
import torch

from msvit.checkpoints import read_checkpoint

main = runpy.run_path(str(Path(__file__).parents[2] / 'tools/model_converters/export_weights.py'))['main']


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    state = {'backbone.weight': torch.randn(3, 4), 'backbone.steps': torch.tensor(7), 'auxiliary_head.weight': torch.randn(2)}
    torch.save({'state_dict': state, 'optimizer': {'state': {}}}, tmp_path / 'iter_1.pth')
    return tmp_path / 'iter_1.pth'


def test_weights_come_back_bit_for_bit(checkpoint, tmp_path):
    main([str(checkpoint), str(tmp_path / 'all.safetensors')])
    before, after = read_checkpoint(checkpoint), read_checkpoint(tmp_path / 'all.safetensors')
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_half_precision_without_a_part(checkpoint, tmp_path):
    main([str(checkpoint), str(tmp_path / 'part.safetensors'), '--half', '--without', 'auxiliary_head'])
    state = read_checkpoint(tmp_path / 'part.safetensors')
    assert set(state) == {'backbone.weight', 'backbone.steps'}
    assert state['backbone.weight'].dtype == torch.float16 and state['backbone.steps'].dtype == torch.int64


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--without', 'neck'], 'the checkpoint has no neck'),
        ([], 'exists: choose another name, or replace it with'),
    ],
)
def test_errors_say_what_to_do(checkpoint, tmp_path, capsys, arguments, message):
    out = tmp_path / 'out.safetensors'
    if not arguments:
        out.write_bytes(b'precious')
    with pytest.raises(SystemExit):
        main([str(checkpoint), str(out), *arguments])
    assert message in capsys.readouterr().err
    assert not arguments or not out.exists()

"""mmengine's FSDP strategy; torch shards on accelerators alone."""

import pytest

FSDP = """
runner_type = 'FlexibleRunner'
strategy = dict(type='FSDPStrategy', state_dict_cfg='full')
"""


@pytest.mark.gpu
def test_fsdp_takes_the_same_steps(configs, train, losses):
    plain = configs['segmentor_1'].with_name('gpu.py')
    plain.write_text(configs['segmentor_1'].read_text())
    sharded = plain.with_name('fsdp.py')
    sharded.write_text(plain.read_text() + FSDP)
    train(1, [plain, sharded], torchrun=True, gpus='0')
    for one, other in zip(losses(sharded.with_suffix('')), losses(plain.with_suffix('')), strict=True):
        assert one == pytest.approx(other, rel=1e-4)

"""A config names the parts of msvit, and the host libraries find them by themselves."""

import subprocess
import sys
from pathlib import Path

CONFIGS = Path(__file__).parents[2] / 'configs'
CODE = """
import sys
from mmpretrain import get_model
from mmseg.apis import init_model
assert not [name for name in sys.modules if name.startswith('msvit')]
print(type(init_model(sys.argv[1], device='cpu').backbone), type(get_model(sys.argv[2]).backbone))
"""


def test_the_scope_of_a_type_is_enough():
    names = 'msseg_mini8_128x128_digit_scenes.py', 'small/swin_mini2_32x32_cifar10.py'
    command = [sys.executable, '-c', CODE, *(str(CONFIGS / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert 'ms_vit.MSViT' in done.stdout and 'ms_swin.MSSwin' in done.stdout, done.stderr

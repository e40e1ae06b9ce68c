"""The package away from its clone: built, unpacked elsewhere, it runs its command on the configs that it carries."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the tracked files, so that nothing is left in the clone."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    ignored = ('.git', '.venv*', 'work_dirs', 'data', 'packed', 'build', 'dist', '*.egg-info', '__pycache__', 'tests', 'docs')
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*ignored))
    command = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '-w', folder, source]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob('msvit-*.whl')
    return path


def test_it_holds_all_configs_and_weights(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    configs = {str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py')}
    assert configs <= {name.removeprefix('msvit/') for name in names}
    weights = {path.name for path in (ROOT / 'projects' / 'msvit' / 'weights').glob('*.safetensors')}
    assert {f'msvit/weights/{name}' for name in weights} <= set(names)
    assert not [name for name in names if name.startswith(('tests', 'tools', 'configs'))]


def test_its_command_runs_on_its_configs(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / 'installed')
    arguments = ['macs', 'configs/small/msvit_mini4_32x32_cifar10.py', '--tokens', '40', '--out', 'macs.json']
    command = [sys.executable, '-m', 'msvit', *arguments]
    environ = {**os.environ, 'PYTHONPATH': str(tmp_path / 'installed')}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / 'macs.json').read_text())
    where = 'import msvit, sys; sys.exit(not msvit.__file__.startswith(sys.argv[1]))'
    assert subprocess.run([sys.executable, '-c', where, str(tmp_path)], cwd=tmp_path, env=environ).returncode == 0

"""Every tool explains itself."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
SCRIPTS = sorted(
    path
    for pattern in ('*.py', '*.sh')
    for path in TOOLS.rglob(pattern)
    if pattern == '*.sh' or 'argparse' in path.read_text() or 'make_parser' in path.read_text()
)


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: str(path.relative_to(TOOLS)))
def test_help(script, tmp_path):
    program = 'bash' if script.suffix == '.sh' else sys.executable
    done = subprocess.run([program, str(script), '--help'], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'usage:' in done.stdout.lower()


@pytest.mark.parametrize('script', [path for path in SCRIPTS if path.suffix == '.sh'], ids=lambda path: path.name)
def test_a_launcher_without_arguments_fails_with_its_usage(script):
    done = subprocess.run(['bash', str(script)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout.startswith('usage:')


def test_the_expected_tools_are_there():
    assert {'train.py', 'test.py', 'dist_train.sh', 'dist_test.sh', 'slurm_train.sh'} <= {path.name for path in SCRIPTS}

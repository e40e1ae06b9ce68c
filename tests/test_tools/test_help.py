"""Every tool explains itself."""

import subprocess
from pathlib import Path

import pytest

from msvit.cli.main import COMMANDS

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
SCRIPTS = sorted(path for path in TOOLS.rglob('*.py') if "__name__ == '__main__'" in path.read_text())
LAUNCHERS = sorted(TOOLS.rglob('*.sh'))


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: str(path.relative_to(TOOLS)))
def test_help(script, run_tool, capsys):
    with pytest.raises(SystemExit) as end:
        run_tool(str(script.relative_to(TOOLS)), '--help')
    assert end.value.code == 0
    assert 'usage:' in capsys.readouterr().out


@pytest.mark.parametrize('script', LAUNCHERS, ids=lambda path: path.name)
def test_help_of_launchers(script, tmp_path):
    done = subprocess.run(['bash', str(script), '--help'], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'usage:' in done.stdout


@pytest.mark.parametrize('script', LAUNCHERS, ids=lambda path: path.name)
def test_a_launcher_without_arguments_fails_with_its_usage(script):
    done = subprocess.run(['bash', str(script)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout.startswith('usage:')


def test_the_expected_tools_are_there():
    older = {'segment': 'segment_images', 'transfer': 'transfer_gate', 'compare': 'compare_speed'}  # than the command
    alone = {'export', 'page'}  # came when `msvit` was there, and have no script beside it
    commands = {f'{older.get(name, name).replace("-", "_")}.py' for name in set(COMMANDS) - alone}
    assert {'train.py', 'test.py', 'demo.py', *commands} <= {path.name for path in SCRIPTS}
    assert {path.name for path in LAUNCHERS} == {'dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'gpu.sh'}

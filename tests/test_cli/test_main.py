"""The console command itself: its list, its help, its completion."""

import subprocess
import sys

import pytest

import msvit
from msvit.cli import main
from msvit.cli.main import COMMANDS, make_parser


def test_without_arguments_it_lists_its_commands(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(f'  {name} ' in said for name in COMMANDS)


def test_the_list_comes_at_once():
    """torch and OpenMMLab are not imported for it."""
    code = "import sys; from msvit.cli import main; main([]); assert not {'torch', 'mmengine'} & set(sys.modules)"
    subprocess.run([sys.executable, '-c', code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, '--help'])
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert said.startswith(f'usage: msvit {command} ')
    assert f'\n  msvit {command} ' in said, 'the help shows an example'
    assert ('--out DIR' if command == 'convert' else '--out FILE.json') in said


@pytest.mark.parametrize('command', COMMANDS)
def test_every_argument_is_explained(command):
    assert [action.dest for action in make_parser(command)._actions if not action.help] == []


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(['--version'])
    assert end.value.code == 0
    assert capsys.readouterr().out == f'msvit {msvit.__version__}\n'


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        main(['macro'])
    assert end.value.code == 2
    assert "invalid choice: 'macro'" in capsys.readouterr().err


@pytest.mark.parametrize('shell', ['bash', 'zsh', 'tcsh'])
def test_completion(shell, capsys):
    assert main(['completion', shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)
    assert 'num-images' in script

"""tools/benchmarks: the GPU script rehearses every step on a CPU, goes on behind failures, and leaves what it found."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
import zipfile
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from PIL import Image
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'tools' / 'benchmarks'
ENVIRON = {**os.environ, 'PYTHON': sys.executable, 'OMP_NUM_THREADS': '1'}


@pytest.fixture
def script(monkeypatch):
    """Return a function that loads a script of the folder as python would."""
    monkeypatch.syspath_prepend(FOLDER)
    return lambda name: runpy.run_path(str(FOLDER / name))


def test_every_step_rehearses(script, tmp_path):
    command = ['bash', str(FOLDER / 'gpu.sh'), '--rehearse', '--out', str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRON)
    log = (tmp_path / 'log.txt').read_text()
    assert done.returncode == 0, done.stdout + done.stderr + log
    summary, table = json.loads((tmp_path / 'summary.json').read_text()), (tmp_path / 'summary.md').read_text()
    assert table in done.stdout
    names = [step.name for step in script('steps.py')['STEPS']]
    assert [(step['name'], step['status']) for step in summary['steps']] == [(name, 'ok') for name in names]
    assert all(f'| {name} | ok |' in table for name in names)
    assert summary['facts']['torch'] == torch.__version__.split('+')[0]
    assert summary['facts']['rehearsal'] is True
    for name in ('speed', 'other_speed'):
        assert summary['figures'][name]['rows']
    runs = {run['config']: run for run in summary['figures']['trainings']['runs']}
    assert set(runs) == {training.config for training in script('train_twins.py')['TRAININGS']}
    for run in runs.values():
        assert run['iterations'] == 2
        assert {'mIoU', 'tokens/count_mean', 'tokens/gmacs_mean'} <= set(run['metrics'])
        assert 0 < run['busy'] <= 1
    for size in ('480x352_camvid', '384x576_ccp'):
        dense, mixed = (runs[f'{kind}_t16_{size}']['metrics']['tokens/count_mean'] for kind in ('seg', 'msseg'))
        assert mixed < dense
    assert 'is not there: generated pictures' in log


@pytest.fixture
def run_steps(script, tmp_path):
    """Return a function that runs (name, worth, seconds, command) as steps."""
    step = script('steps.py')['Step']
    run = script('gpu.py')['run_steps']

    def run_all(*steps: tuple[str, int, int, str], seconds: float = 60, rehearse: bool = False):
        steps = [step(name, worth, limit, command, f'{command} --small') for name, worth, limit, command in steps]
        return run(steps, dict(python=sys.executable, out=str(tmp_path)), rehearse, seconds)

    return run_all


def test_the_commit_of_what_was_packed_is_told(script, tmp_path):
    commit = script('summary.py')['_commit']
    assert commit(tmp_path) == 'unknown'
    (tmp_path / 'packed').mkdir()
    (tmp_path / 'packed' / 'commit.txt').write_text('abc\n')
    assert commit(tmp_path) == 'abc'
    subprocess.run(['git', '-C', tmp_path, 'init', '-q'], check=True)
    git = ['git', '-C', tmp_path, '-c', 'user.name=a', '-c', 'user.email=b']
    subprocess.run([*git, 'commit', '-q', '--allow-empty', '-m', 'one'], check=True)
    head = subprocess.run([*git, 'rev-parse', 'HEAD'], check=True, capture_output=True, text=True).stdout.strip()
    assert commit(tmp_path) == f'{head}, packed at abc'


def test_a_step_that_fails_or_hangs_does_not_stop_the_next(run_steps, tmp_path):
    write = "open('{out}/last.json', 'w').write('{{}}'); print('done')"
    outcomes = run_steps(
        ('last', 1, 30, f'{{python}} -c "{write}"'),
        ('hangs', 2, 11, "{python} -c \"import subprocess; subprocess.run(['sleep', '1000'])\""),
        ('fails', 3, 30, '{python} -c "print(\'so far\'); raise SystemExit(3)"'),
    )
    assert [outcome.status for outcome in outcomes] == ['failed (3)', 'stopped after 11 s', 'ok']
    assert [outcome.last_line for outcome in outcomes] == ['so far', '', 'done']
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['figures'] == dict(fails=None, hangs=None, last={})
    assert '== hangs: ' in (tmp_path / 'log.txt').read_text()


def test_no_step_begins_when_the_time_is_over(run_steps):
    assert [outcome.status for outcome in run_steps(('late', 1, 30, 'true'), seconds=1)] == ['no time was left']


def test_a_rehearsal_runs_the_small_form(run_steps, tmp_path):
    assert run_steps(('one', 1, 30, 'echo'), rehearse=True)[0].last_line == '--small'


def test_what_was_found_is_summed_up_when_the_script_is_ended(tmp_path):
    command = [sys.executable, FOLDER / 'gpu.py', '--rehearse', '--steps', 'speed', '--out', tmp_path]
    process = subprocess.Popen(command, env=ENVIRON)
    while not (tmp_path / 'log.txt').is_file() or not (tmp_path / 'log.txt').stat().st_size:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert json.loads((tmp_path / 'summary.json').read_text())['steps'][0]['status'] == 'interrupted'


def make_wheel(folder: Path, name: str) -> Path:
    """A wheel of one module."""
    wheel, info = folder / f'{name}-1.0-py3-none-any.whl', f'{name}-1.0.dist-info'
    with zipfile.ZipFile(wheel, 'w') as file:
        file.writestr(f'{name}.py', 'VALUE = 1\n')
        file.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: nowhere\n')
        file.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        file.writestr(f'{info}/RECORD', '')
    return wheel


def test_missing_packages_are_installed_and_others_left_alone(script, tmp_path):
    wheels = [make_wheel(tmp_path, name) for name in ('a_toy_of_msvit', 'safetensors')]
    site = script('gpu.py')['install_missing'](wheels, tmp_path / 'site')
    assert [path.name for path in site.glob('*.py')] == ['a_toy_of_msvit.py']


def test_a_training_that_fails_says_why(script, tmp_path):
    tool = script('train_twins.py')
    args = Namespace(data=tmp_path, weights=tmp_path / 'none', out=tmp_path / 'out.json', scratch=tmp_path, seconds=60)
    args.small, args.jobs, args.seeds, args.iters = False, 1, 1, None
    runner, training = tool['TwinRunner'](args), tool['TRAININGS'][0]
    runner.run(training, 0)
    (tmp_path / 'images' / 'train').mkdir(parents=True)
    (tmp_path / 'images' / 'train' / 'one.jpg').touch()
    runner.run(training._replace(data='.', config='nowhere'), 0)
    errors = [run['error'] for run in json.loads(args.out.read_text())['runs']]
    assert any(
        re.search('there is no .*camvid/images/train: --data must name the folder that holds camvid/', error)
        for error in errors
    )
    assert any(re.search('There is no config .*nowhere.py', error) for error in errors)


def test_a_shorter_training_keeps_its_parts(script):
    cfg = Config.fromfile(ROOT / 'configs' / 'msseg_t16_480x352_camvid.py')
    script('train_and_test.py')['shorten'](cfg, 1000)
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[1].end == 1000
    assert cfg.param_scheduler[1].begin == next(hook.begin for hook in cfg.custom_hooks if 'begin' in hook) == 650


def test_a_picture_of_throughput(script, tmp_path):
    """Of the figures that are told in docs/benchmarks.md."""
    script('throughput_figure.py')['main']([str(ROOT / 'docs' / 'gpu_h200.json'), '--out', str(tmp_path / 'a.png')])
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.width > 1000


def test_the_last_iteration_is_read_from_the_log(script, tmp_path):
    last_iteration = script('train_twins.py')['_last_iteration']
    assert last_iteration(tmp_path) == 0
    (tmp_path / 'run' / 'vis_data').mkdir(parents=True)
    (tmp_path / 'run' / 'vis_data' / 'scalars.json').write_text('{"step": 50}\n{"step": 100}\n')
    assert last_iteration(tmp_path) == 100


def test_pictures_and_weights_are_packed(script, tmp_path):
    tool = script('pack.py')
    for folder in ('images', 'annotations'):
        (tmp_path / 'set' / folder).mkdir(parents=True)
    labels = Image.frombytes('L', (8, 8), bytes(range(64)))
    labels.convert('RGB').save(tmp_path / 'set' / 'images' / 'a.jpg')
    labels.save(tmp_path / 'set' / 'annotations' / 'a.png')
    tool['pack_pictures'](tmp_path / 'set', tmp_path / 'packed', 70)
    with Image.open(tmp_path / 'packed' / 'images' / 'a.webp') as picture:
        assert (picture.size, picture.mode) == ((8, 8), 'RGB')
    with Image.open(tmp_path / 'packed' / 'annotations' / 'a.png') as packed:
        assert packed.tobytes() == labels.tobytes()
    save_file({'weight': torch.ones(2)}, tmp_path / 'a.safetensors')
    tool['pack_weights'](tmp_path / 'a.safetensors', tmp_path / 'b.safetensors')
    assert load_file(tmp_path / 'b.safetensors')['weight'].dtype == torch.float16
    assert tool['size_of'](tmp_path / 'set') > 64


def test_all_files_with_gpu_tests_are_in_the_list(script):
    marked = re.compile(r'mark\.gpu\b|^def test\w*\([^)]*\bdevice\b', re.MULTILINE)
    files = (ROOT / 'tests').rglob('test_*.py')
    found = {str(path.relative_to(ROOT)) for path in files if path != Path(__file__) and marked.search(path.read_text())}
    assert found == set(script('steps.py')['GPU_TESTS'].split())


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--steps', 'speed'], 'name a folder with --out, or give --rehearse'),
        (['--rehearse', '--wheels', 'nowhere'], 'there is no nowhere'),
        (['--rehearse', '--steps', 'nonsense'], "invalid choice: 'nonsense'"),
    ],
)
def test_user_mistakes_are_named(arguments, message):
    done = subprocess.run(['bash', str(FOLDER / 'gpu.sh'), *arguments], capture_output=True, text=True, env=ENVIRON)
    assert done.returncode == 2
    assert message in done.stderr

"""What the tests of detectors share. They run in an environment of their own: `make test-det`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from msvit.datasets import build_digit_instances, build_digit_scenes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def digit_boxes(tmp_path_factory) -> Path:
    """A small DigitScenes with boxes that tests read only."""
    root = build_digit_scenes(tmp_path_factory.mktemp('data') / 'digit_scenes', train=12, val=6, size=128, seed=3)
    build_digit_instances(root)
    return root


@pytest.fixture(scope='session')
def run_tool():
    """Return a function that runs ``tools/<name>`` in a process of its own, in the project's folder."""

    def run(name: str, *arguments, options: tuple[str, ...] = ()) -> str:
        options = ('--cfg-options', *options) if options else ()
        command = [sys.executable, ROOT / 'tools' / name, *arguments, *options]
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env={**os.environ, 'PYTHONWARNINGS': 'ignore'},
            text=True,
            capture_output=True,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    run.root = ROOT
    return run


@pytest.fixture(scope='session')
def read_log():
    """Return a function that reads the records of the log of a work dir, in order."""

    def read(work_dir: Path) -> list[dict]:
        files = sorted(work_dir.glob('*/vis_data/scalars.json'))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    return read

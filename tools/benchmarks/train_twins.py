"""Train dense and mixed twins at full length, as many seeds as fit, several side by side; test each.

python tools/benchmarks/train_twins.py --data packed/data --weights packed/vit_tiny.safetensors --out trainings.json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from threading import Lock
from typing import Any, NamedTuple

from tiny_data import make_tiny_data

ROOT = Path(__file__).resolve().parents[2]
SPARE = 1.1  # a training is begun where the time of the longest one like it, so many times, is left


class Training(NamedTuple):
    """What is trained.

    Args:
        config: its name.
        data: folder of its data set within the data folder.
        classes: of the labels.
        size: width and height of the pictures.
    """

    config: str
    data: str
    classes: int
    size: tuple[int, int]


TRAININGS = (
    Training('seg_t16_480x352_camvid', 'camvid', 11, (480, 360)),
    Training('msseg_t16_480x352_camvid', 'camvid', 11, (480, 360)),
    Training('seg_t16_384x576_ccp', 'ccp', 17, (384, 576)),
    Training('msseg_t16_384x576_ccp', 'ccp', 17, (384, 576)),
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of this tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, required=True, help='folder with one folder for each data set')
    parser.add_argument('--weights', type=Path, required=True, help="weights of ViT-Ti/16, timm's names")
    parser.add_argument('--out', type=Path, required=True, help='JSON file of the figures, up to date after each training')
    parser.add_argument('--scratch', type=Path, help='folder for logs and checkpoints (default: a temporary one)')
    parser.add_argument('--seconds', type=float, default=290, help='for all trainings together (default: %(default)s)')
    parser.add_argument('--seeds', type=int, default=3, help='at most (default: %(default)s)')
    parser.add_argument('--iters', type=int, help="of each training (default: the config's)")
    parser.add_argument('--jobs', type=int, default=4, help='trainings side by side (default: %(default)s)')
    parser.add_argument(
        '--small',
        action='store_true',
        help='a rehearsal: two iterations of one seed, one training after the other; on generated pictures and with random '
        'weights where the given ones are not there',
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the status is 0 if every training that was begun succeeded."""
    args = make_parser().parse_args(arguments)
    args.scratch = args.scratch or Path(tempfile.mkdtemp(prefix='msvit_twins_'))
    if args.small:
        args.jobs, args.seeds = 1, 1
    runner = TwinRunner(args)
    with ThreadPoolExecutor(args.jobs) as pool:  # seed after seed, so that every twin has one before any has two
        list(pool.map(runner.run, TRAININGS * args.seeds, [seed for seed in range(args.seeds) for _ in TRAININGS]))
    return 1 if not runner.runs or any('error' in run for run in runner.runs) else 0


class TwinRunner:
    """Runs trainings and keeps their figures.

    Args:
        args: those of the tool.
    """

    def __init__(self, args: argparse.Namespace):
        self.args, self.end = args, time.monotonic() + args.seconds
        self.runs: list[dict[str, Any]] = []
        self._longest: dict[str, float] = {}
        self._lock = Lock()

    def run(self, training: Training, seed: int) -> None:
        """Train and test, if time is left."""
        left = self.end - time.monotonic()
        if left <= SPARE * self._longest.get(training.config, 0):
            return
        start = time.monotonic()
        figures = self._train(training, seed, left)
        self._keep(dict(config=training.config, seed=seed, seconds=time.monotonic() - start, **figures))

    def _train(self, training: Training, seed: int, seconds: float) -> dict[str, Any]:
        """Figures of one training, or its error."""
        config, work_dir = training.config, self.args.scratch / f'{training.config}_seed{seed}'
        work_dir.mkdir(parents=True, exist_ok=True)
        out, data = work_dir / 'figures.json', self._pictures(training)
        if not (data / 'images' / 'train').is_dir():
            return dict(error=f'there is no {data}/images/train: --data must name the folder that holds {training.data}/')
        command = [sys.executable, ROOT / 'tools' / 'benchmarks' / 'train_and_test.py', ROOT / 'configs' / f'{config}.py']
        command += ['--work-dir', work_dir, '--out', out, *(['--small'] if self.args.small else [])]
        command += [] if self.args.iters is None else ['--iters', str(self.args.iters)]
        command += ['--cfg-options', *self._options(data, seed)]
        print(f'{config}, seed {seed}: begins', flush=True)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, errors='replace')
        except subprocess.TimeoutExpired:
            return dict(error=f'time was up after iteration {_last_iteration(work_dir)}')
        if done.returncode:
            print(done.stdout[-2000:], done.stderr[-4000:], sep='\n', flush=True)
            return dict(error=(done.stderr.strip() or 'failed').splitlines()[-1])
        return json.loads(out.read_text(encoding='utf-8'))

    def _pictures(self, training: Training) -> Path:
        """The data set; in a rehearsal generated where there is none."""
        data = self.args.data / training.data
        if not self.args.small or data.is_dir():
            return data
        print(f'{data} is not there: generated pictures', flush=True)
        return make_tiny_data(self.args.scratch / training.data, training.classes, training.size)

    def _options(self, data: Path, seed: int) -> list[str]:
        """Settings of the config that the place and this run decide; files are decoded once, by workers enough."""
        weights, small = self.args.weights, self.args.small
        if small and not weights.is_file():
            print(f'{weights} is not there: random weights', flush=True)
        suffix = next((data / 'images' / 'train').iterdir()).suffix
        workers = 0 if small else max(1, min(4, (os.cpu_count() or 1) // self.args.jobs - 1))
        return [
            f'randomness.seed={seed}',
            f'model.backbone.pretrained={None if small and not weights.is_file() else weights.resolve()}',
            'train_dataloader.dataset.cache=True',
            *(
                f'{loader}.{setting}'
                for loader in ('train_dataloader', 'test_dataloader')
                for setting in (
                    f'dataset.data_root={data.resolve()}',
                    f'dataset.img_suffix={suffix}',
                    f'num_workers={workers}',
                )
            ),
        ]

    def _keep(self, run: dict[str, Any]) -> None:
        with self._lock:
            self.runs.append(run)
            if 'error' not in run:
                self._longest[run['config']] = max(run['seconds'], self._longest.get(run['config'], 0))
            figures = dict(runs=sorted(self.runs, key=lambda run: (run['config'], run['seed'])), means=_means(self.runs))
            self.args.out.write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')
        print(f'{run["config"]}, seed {run["seed"]}: {run.get("metrics", run.get("error"))}', flush=True)


def _last_iteration(work_dir: Path) -> int:
    """The last iteration in the logs of a training, 0 if there is none."""
    lines = [line for log in work_dir.glob('*/vis_data/scalars.json') for line in log.read_text().splitlines()]
    return max((json.loads(line).get('step', 0) for line in lines), default=0)


def _means(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean mIoU of each config over its seeds, and their standard deviation."""
    scores: dict[str, list[float]] = {}
    for run in runs:
        if 'metrics' in run:
            scores.setdefault(run['config'], []).append(run['metrics']['mIoU'])
    return {
        config: dict(mIoU=mean(values), spread=stdev(values) if len(values) > 1 else None, seeds=len(values))
        for config, values in scores.items()
    }


if __name__ == '__main__':
    sys.exit(main())

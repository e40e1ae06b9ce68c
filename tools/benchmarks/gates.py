"""Compare gates on one recipe: seeds, several shares of fine regions, everything but the choice of the regions alike.

python tools/benchmarks/gates.py configs/msseg_t16_480x352_camvid_cpu.py --work-dir work_dirs/gates_camvid --seeds 0 1 2 --amp

The dense model is trained once for each seed; at the iteration where the config's TeachGateHook would teach, every mixed
model goes on from it. All are tested at each share, and with --at-test with the regions of other gates too: what the weights
lose is then told apart from what the choice does. Figures stay in the work dir: what is there is not run again.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from math import gcd
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from mmengine.config import Config
from summary import markdown_table

from msvit.analysis.model import AnalysedModel
from msvit.atomic_write import atomic_write
from msvit.conversion.measuring import LabelledTest
from msvit.conversion.sweep import gate_values
from msvit.engine.launch import build_runner, enable_amp, load_config, make_parser, short_errors

LEARNED = {'taught': None, 'mlp': dict(type='msvit.MLPGate', frozen=True)}  # None: the config's own
FIXED = {
    'edges': dict(type='msvit.SaliencyGate', saliency='edges'),
    'radial': dict(type='msvit.RadialGate'),
    'random': dict(type='msvit.RandomGate'),
}
DENSE, ORACLE = 'dense', 'oracle'
UNLEARNED = (ORACLE, *FIXED)
GATES = (*LEARNED, *UNLEARNED)


def make_gates_parser() -> argparse.ArgumentParser:
    """Return the parser of this tool."""
    parser = make_parser('Compare gates on one recipe')
    parser.add_argument('--gates', nargs='+', choices=GATES, default=GATES, help='which (default: all)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='of the trainings (default: 0)')
    parser.add_argument(
        '--shares', type=float, nargs='*', default=[], help='of fine regions, to test at beside the one of the training'
    )
    parser.add_argument(
        '--at-test', nargs='+', choices=UNLEARNED, default=[], help='test the models with the regions of these gates too'
    )
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parser = make_gates_parser()
    args = parser.parse_args(arguments)
    try:
        cfg = load_config(args)
        if args.amp:
            enable_amp(cfg)
        with short_errors():
            study = GateStudy(cfg, args.shares, args.at_test)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    for seed in args.seeds:
        for gate in (DENSE, *args.gates):
            with short_errors():
                study.run(gate, seed)
            print(study.write_table(), flush=True)


class GateStudy:
    """Trainings that differ in the gate alone.

    Args:
        cfg: of the mixed model, with a TeachGateHook.
        shares: of fine regions to test at, beside that of the training.
        at_test: gates whose regions the models of others are tested with too.

    Raises:
        ValueError: the config has no TeachGateHook, or one that teaches before any dense training.
    """

    def __init__(self, cfg: Config, shares: Sequence[float], at_test: Sequence[str]):
        hooks = [hook for hook in cfg.get('custom_hooks') or [] if hook.type == 'msvit.TeachGateHook']
        if len(hooks) != 1:
            raise ValueError(f'{cfg.filename} must have one TeachGateHook: it tells where the gates come in')
        if not hooks[0].get('begin'):
            raise ValueError(
                f'the TeachGateHook of {cfg.filename} must have a begin above 0: the gates share what comes before'
            )
        self.cfg, self.teach, self.work_dir = cfg, hooks[0], Path(cfg.work_dir)
        self.share = self.teach.fine_share
        self.shares, self.at_test = sorted({*shares, self.share}), at_test

    def run(self, gate: str, seed: int) -> None:
        """Train and test with one gate, as far as its figures are not there."""
        folder = self._folder(gate, seed)
        final = folder / self._name_at(self._length())
        if not final.exists():
            cfg = self._config(gate, seed, self.share)
            cfg.work_dir, cfg.experiment_name = str(folder), f'{gate} {seed} {folder}'
            cfg.visualizer.pop('name', None)  # one for each run, not one that writes where the first began
            build_runner(cfg, whole_checkpoint=False).train()
        p_fine = None
        for chooser, share, place in self._tests(gate, folder):
            if place.exists():
                continue
            threshold = None
            if chooser in LEARNED:
                # at this share of the regions of the test images, so that all gates have as many tokens
                p_fine = self._p_fine(gate, seed, final) if p_fine is None else p_fine
                threshold = float(np.quantile(p_fine.astype(float), 1 - share))
            figures = self._test(gate, chooser, seed, share, final, threshold)
            with atomic_write(place) as file:
                file.write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')

    def write_table(self) -> str:
        """Write ``table.md`` of all figures in the work dir, and return it."""
        rows = [json.loads(path.read_text(encoding='utf-8')) for path in sorted(self.work_dir.glob('seed*/*/share_*.json'))]
        dense = {row['seed']: row for row in rows if row['gate'] == DENSE}
        cells = []
        for share, gate in sorted({(row['share'], row['gate']) for row in rows}, key=lambda key: (-key[0], key[1])):
            found = [row for row in rows if (row['share'], row['gate']) == (share, gate) and row['seed'] in dense]
            if found:
                cells.append(
                    (
                        f'{share:g}',
                        gate,
                        str(len(found)),
                        _spread([row['score'] for row in found]),
                        _spread([row['score'] - dense[row['seed']]['score'] for row in found]),
                        f'{mean(row["tokens"] for row in found):.0f}',
                        f'{mean(row["gmacs"] / dense[row["seed"]]["gmacs"] for row in found):.3f}x',
                    )
                )
        table = '\n'.join(markdown_table(('share', 'gate', 'seeds', 'score', '- dense', 'tokens', 'MACs'), cells))
        (self.work_dir / 'table.md').write_text(table + '\n', encoding='utf-8')
        return table

    def _folder(self, gate: str, seed: int) -> Path:
        return self.work_dir / f'seed{seed}' / gate

    def _length(self) -> int:
        return self.cfg.train_cfg.max_epochs if self.teach.get('by_epoch') else self.cfg.train_cfg.max_iters

    def _name_at(self, step: int) -> str:
        return f'{"epoch" if self.teach.get("by_epoch") else "iter"}_{step}.pth'

    def _config(self, gate: str, seed: int, share: float) -> Config:
        """That of one gate's training, or of its test at a share."""
        cfg = deepcopy(self.cfg)
        cfg.randomness.seed = seed
        cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
        interval = gcd(self.teach.begin, self._length())  # it meets the step to branch off at, and the last one
        cfg.default_hooks.checkpoint.update(interval=interval, max_keep_ckpts=-1, save_best=None)
        if gate not in LEARNED:
            cfg.custom_hooks = [hook for hook in cfg.custom_hooks if hook.type != self.teach.type]
            cfg.model.backbone.gate = dict(FIXED[gate], fine_share=share) if gate in FIXED else None
        elif LEARNED[gate]:
            cfg.model.backbone.gate = dict(LEARNED[gate])
        if gate == ORACLE:
            cfg.custom_hooks.append(dict(type='msvit.OracleHook', teacher=self.teach.teacher, fine_share=share))
        if gate != DENSE:
            cfg.load_from, cfg.resume = str(self._folder(DENSE, seed) / self._name_at(self.teach.begin)), True
        return cfg

    def _p_fine(self, gate: str, seed: int, checkpoint: Path) -> np.ndarray:
        """Of the regions of all test images."""
        cfg = self._config(gate, seed, self.share)
        return gate_values(AnalysedModel(cfg, checkpoint), cfg.test_dataloader, training=False)

    def _tests(self, gate: str, folder: Path) -> Iterator[tuple[str, float, Path]]:
        """Whose regions a model is tested with, at which share, and the file of the figures."""
        if gate == DENSE:
            yield gate, 1.0, folder / 'share_1.json'
            return
        for share in self.shares:
            yield gate, share, folder / f'share_{share:g}.json'
            for other in self.at_test:
                if other != gate:
                    yield other, share, folder / f'share_{share:g}_{other}.json'

    def _test(
        self, gate: str, chooser: str, seed: int, share: float, checkpoint: Path, threshold: float | None
    ) -> dict[str, Any]:
        cfg = self._config(chooser, seed, share)
        cfg.resume = False
        own = chooser == gate  # else the checkpoint has a gate that the model lacks
        name = gate if own else f'{gate}, {chooser} at test'
        reached = LabelledTest(cfg, checkpoint, self.work_dir / 'tests', f'{name} {seed} {share:g}', own)(threshold)
        what = dict(gate=name, seed=seed, share=share, threshold=threshold)
        return dict(what, score=reached.score, tokens=reached.tokens, gmacs=reached.gmacs, metrics=reached.metrics)


def _spread(values: Sequence[float]) -> str:
    return f'{mean(values):.2f}' + (f' ± {stdev(values):.2f}' if len(values) > 1 else '')


if __name__ == '__main__':
    main()

"""Train what a config describes in bf16, without validations, test the final weights, and write the figures.

python tools/benchmarks/train_and_test.py configs/seg_t16_480x352_camvid.py --out figures.json
"""

import json
import time
from pathlib import Path
from statistics import median

import torch
from mmengine.config import Config

from msvit.engine.launch import build_runner, load_config, make_parser, short_errors


def main() -> None:
    """Run the tool."""
    parser = make_parser('Train in bf16 without validations, then test')
    parser.add_argument('--out', type=Path, required=True, help='JSON file of the figures')
    parser.add_argument('--iters', type=int, help="instead of the config's, its parts in proportion")
    parser.add_argument('--small', action='store_true', help='a rehearsal: two iterations of two images, tested on two')
    args = parser.parse_args()
    cfg = load_config(args)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if torch.cuda.is_available():
        use_bf16(cfg)
    if args.iters:
        shorten(cfg, args.iters)
    if args.small:
        shrink(cfg)
    with short_errors():
        runner = build_runner(cfg, whole_checkpoint=False)
        start = time.monotonic()
        runner.train()
        seconds = time.monotonic() - start
        metrics = {name: float(value) for name, value in runner.test().items()}
    figures = dict(iterations=runner.iter, train_seconds=seconds, **read_times(Path(cfg.work_dir)), metrics=metrics)
    args.out.write_text(json.dumps(figures) + '\n', encoding='utf-8')


def use_bf16(cfg: Config) -> None:
    """Train in bf16 mixed precision, which needs no scaling of the loss, and so no look at the gradients by the host."""
    cfg.optim_wrapper.update(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=dict(enabled=False))


def shorten(cfg: Config, iters: int) -> None:
    """Train so many iterations, the same share of them at the full rate and before the gate is taught."""
    flat_iters = round(cfg.flat_iters * iters / cfg.max_iters)
    cfg.train_cfg.max_iters = cfg.param_scheduler[1].end = iters
    cfg.param_scheduler[1].begin = flat_iters
    for hook in cfg.custom_hooks:
        if hook.type == 'msvit.TeachGateHook':
            hook.begin = flat_iters


def shrink(cfg: Config) -> None:
    """Leave two iterations, and the teaching of a gate before the second: that all fits together, and nothing is learned."""
    cfg.train_cfg.max_iters, cfg.train_dataloader.batch_size, cfg.default_hooks.logger.interval = 2, 2, 1
    cfg.test_dataloader.dataset.indices = 2
    for hook in cfg.custom_hooks:
        if hook.type == 'msvit.TeachGateHook':
            hook.update(begin=1, iters=2)


def read_times(work_dir: Path) -> dict[str, float | None]:
    """Of the logged iterations: the median time, the share of it that was no waiting for data, and the peak memory."""
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    records = [json.loads(line) for log in logs for line in log.read_text(encoding='utf-8').splitlines()]
    times = [(record['time'], record['data_time']) for record in records if 'loss' in record and 'data_time' in record]
    if not times:
        return dict(iteration_ms=None, busy=None, peak_mib=None)
    whole, waiting = (median(column) for column in zip(*times, strict=True))
    peak = max((record['memory'] for record in records if 'memory' in record), default=None)
    return dict(iteration_ms=1e3 * whole, busy=1 - waiting / whole, peak_mib=peak)


if __name__ == '__main__':
    main()

"""Evaluate a checkpoint on the test set of its config.

python tools/test.py configs/msseg_s16_512x512_ade20k.py work_dirs/msseg_s16_512x512_ade20k/iter_160000.pth --out result.json
python tools/test.py configs/msseg_s16_512x512_ade20k.py model.onnx   # a file of `msvit export`, on the CPU
"""

import argparse
import json
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process

from msvit.engine.launch import build_runner, load_config, make_parser, require_checkpoint, require_data, short_errors
from msvit.parts import class_name

VISUALIZATION_HOOKS = {'mmseg': 'SegVisualizationHook', 'mmdet': 'DetVisualizationHook', 'mmpretrain': 'VisualizationHook'}


def make_test_parser() -> argparse.ArgumentParser:
    """Return the parser of this tool."""
    parser = make_parser('Evaluate a model')
    parser.add_argument('checkpoint', help='checkpoint file, or an .onnx file of `msvit export`')
    parser.add_argument('--out', metavar='FILE.json', help='write the figures of the evaluation to this file')
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    parser.add_argument('--show-dir', help='write pictures of the predictions into this folder')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds that each window stays (default: 2)')
    parser.add_argument('--tta', action='store_true', help="test-time augmentation by the config's tta_pipeline and tta_model")
    return parser


def draw_predictions(cfg: Config, show: bool, show_dir: str | None, wait_time: float) -> None:
    """Switch on the host library's visualization hook."""
    scope = cfg.get('default_scope', 'mmseg')
    if scope == 'mmpretrain':
        settings = {'enable': True, 'out_dir': show_dir}
    else:
        settings = {'draw': True}
        cfg.visualizer.save_dir = show_dir
    hook = cfg.default_hooks.get('visualization') or {'type': VISUALIZATION_HOOKS[scope]}
    cfg.default_hooks.visualization = {**hook, **settings, 'show': show, 'wait_time': wait_time, 'interval': 1}


def enable_tta(cfg: Config) -> None:
    """Test with the config's ``tta_model`` and ``tta_pipeline``.

    Raises:
        ValueError: the config lacks one of them.
    """
    for key in ('tta_model', 'tta_pipeline'):
        if key not in cfg:
            raise ValueError(f'--tta needs {key} in the config, and it has none.')
    if cfg.model.type == 'msvit.RaggedEncoderDecoder':
        cfg.model.keep_logits = True  # augmented views are averaged before the decision
    cfg.model = cfg.tta_model | {'module': cfg.model}
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline


def test_file(cfg: Config, path: str) -> dict:
    """Evaluate an exported file by the config's data and metrics, but for those of tokens, which read the model.

    Raises:
        ImportError: ONNX Runtime is not installed.
        ValueError: it is no file of ``msvit export``, or does not fit the config.
    """
    from msvit.export import answer_by_file  # with the analysis of models, which other tests do without
    from msvit.runtime import OnnxModel

    evaluators = [cfg.test_evaluator] if isinstance(cfg.test_evaluator, dict) else cfg.test_evaluator
    cfg.test_evaluator = [metric for metric in evaluators if class_name(metric) != 'TokenMetric']
    file = OnnxModel(path)
    runner = build_runner(cfg, whole_checkpoint=False)
    answer_by_file(runner.model.cpu(), file)
    return runner.test()


def write_figures(path: Path, config: str, checkpoint: str, metrics: dict) -> None:
    """Write the evaluation's figures, with what they belong to, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = {'config': config, 'checkpoint': checkpoint, 'metrics': metrics}
    # Some metrics are numbers or arrays of numpy or torch.
    path.write_text(json.dumps(figures, indent=2, default=lambda value: value.tolist()) + '\n', encoding='utf-8')


def main() -> None:
    """Run the tool."""
    parser = make_test_parser()
    args = parser.parse_args()
    if args.out and Path(args.out).suffix != '.json':
        parser.error(f'--out {args.out}: name a .json file.')
    try:
        cfg = load_config(args)
        is_onnx = Path(args.checkpoint).suffix == '.onnx'
        cfg.load_from, cfg.resume = None if is_onnx else require_checkpoint(args.checkpoint), False
        if args.tta and is_onnx:
            raise ValueError('--tta needs a checkpoint: an .onnx file answers for one view.')
        if args.tta:
            enable_tta(cfg)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if args.show or args.show_dir:
        draw_predictions(cfg, args.show, args.show_dir, args.wait_time)
    with short_errors():
        require_data(cfg, 'test_dataloader')
        metrics = test_file(cfg, args.checkpoint) if is_onnx else build_runner(cfg, whole_checkpoint=True).test()
    if args.out and is_main_process():
        write_figures(Path(args.out), args.config, args.checkpoint, metrics)


if __name__ == '__main__':
    main()

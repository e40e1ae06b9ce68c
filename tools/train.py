"""Train what a config describes, with mmseg, mmpretrain or mmdet as its ``default_scope`` says.

python tools/train.py configs/msseg_s16_512x512_ade20k.py
"""

import argparse

from msvit.engine.launch import build_runner, enable_amp, load_config, make_parser, require_data, set_resume, short_errors
from msvit.engine.lost_peers import telling_of_lost_peers


def make_train_parser() -> argparse.ArgumentParser:
    """Return the parser of this tool."""
    parser = make_parser('Train a model')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from this checkpoint; without a name, from the latest one in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='train in mixed precision')
    parser.add_argument('--no-validate', action='store_true', help='leave out the validations during training')
    return parser


def main() -> None:
    """Run the tool."""
    parser = make_train_parser()
    args = parser.parse_args()
    try:
        cfg = load_config(args)
        if args.amp:
            enable_amp(cfg)
        if args.resume:
            set_resume(cfg, args.resume)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    with telling_of_lost_peers(), short_errors():
        require_data(cfg, 'train_dataloader', 'val_dataloader')
        build_runner(cfg, whole_checkpoint=bool(cfg.get('resume'))).train()


if __name__ == '__main__':
    main()

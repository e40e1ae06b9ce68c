"""Write the weights that a config's model begins with, pretrained ones loaded, as a checkpoint of the whole model.

So a classifier of timm can be tested, or converted, as it is:

python tools/model_converters/initial_weights.py configs/vit_ti16_224x224_in1k_samples.py vit_ti16.safetensors
"""

import argparse
from pathlib import Path

from mmengine.config import DictAction
from mmengine.registry import MODELS, init_default_scope

from msvit.checkpoints import save_weights
from msvit.engine.launch import read_config, short_errors
from msvit.engine.safe_load import install_safe_loading


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('out', type=Path, metavar='FILE.safetensors', help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='settings that replace those of the config'
    )
    args = parser.parse_args(argv)
    if args.out.exists() and not args.overwrite:
        parser.error(f'{args.out} exists: choose another name, or replace it with --overwrite')
    with short_errors():
        cfg = read_config(args.config, args.cfg_options)
        install_safe_loading()
        init_default_scope(cfg.get('default_scope') or 'mmengine')
        if cfg.get('data_preprocessor'):
            cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
        model = MODELS.build(cfg.model)
        model.init_weights()
        save_weights(model.state_dict(), args.out)
    print(f'{args.out}: {len(model.state_dict())} tensors, {args.out.stat().st_size / 2**20:.2f} MiB')


if __name__ == '__main__':
    main()

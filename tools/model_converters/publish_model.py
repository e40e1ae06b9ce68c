"""Publish a trained model: its weights alone, in a file whose name ends in the hash of its contents.

python tools/model_converters/publish_model.py work_dirs/NAME/iter_160000.pth NAME.safetensors --config configs/NAME.py

writes NAME-1a2b3c4d.safetensors. The file serves as checkpoint for tools/test.py, load_from and pretrained. A .pth file
serves other OpenMMLab tools too. Of a run with an EMAHook the averaged weights are taken, those that were evaluated.
"""

import argparse
from pathlib import Path

from msvit.checkpoints.publish import publish_weights
from msvit.engine.launch import read_config
from msvit.engine.load_model import load_model


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', metavar='IN_CHECKPOINT', help='training checkpoint')
    parser.add_argument('out', type=Path, metavar='OUT', help='NAME.safetensors or NAME.pth; the hash is added')
    parser.add_argument('--config', type=Path, help='of the training: its name is kept, and the weights must fit its model')
    parser.add_argument('--half', action='store_true', help='store floating-point tensors in half precision')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    args = parser.parse_args(argv)
    try:
        if args.config:
            load_model(read_config(args.config), args.checkpoint)
        config = args.config.stem if args.config else ''
        path = publish_weights(args.checkpoint, args.out, config=config, half=args.half, overwrite=args.overwrite)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(path)


if __name__ == '__main__':
    main()

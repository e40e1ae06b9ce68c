"""Take the weights, or a part of them, out of a training checkpoint: a safetensors file of the name given.

publish_model.py writes a whole model for others, with what it is of and a hash in its name.

python tools/model_converters/export_weights.py work_dirs/NAME/iter_4000.pth NAME.safetensors --half
"""

import argparse
from pathlib import Path

from msvit.checkpoints import CheckpointError, read_checkpoint, save_weights
from msvit.checkpoints.finite import halved


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='training checkpoint; averaged weights are preferred where it holds any')
    parser.add_argument('out', type=Path, metavar='FILE.safetensors', help='file to write')
    parser.add_argument('--half', action='store_true', help='store floating-point tensors in half precision')
    parser.add_argument('--without', nargs='+', default=[], metavar='PREFIX', help='leave out the parts of these names')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    args = parser.parse_args(argv)
    if args.out.exists() and not args.overwrite:
        parser.error(f'{args.out} exists: choose another name, or replace it with --overwrite')
    try:
        state = read_checkpoint(args.checkpoint)
        for prefix in args.without:
            if not any(name.startswith(f'{prefix}.') for name in state):
                parser.error(f'the checkpoint has no {prefix}.*; its parts: {sorted({name.split(".")[0] for name in state})}')
        parts = tuple(f'{prefix}.' for prefix in args.without)
        state = {name: value for name, value in state.items() if not name.startswith(parts)}
        if args.half:
            state = halved(state)
        save_weights(state, args.out)
    except (FileNotFoundError, CheckpointError, ValueError) as error:
        parser.error(str(error))
    print(f'{args.out}: {len(state)} tensors, {args.out.stat().st_size / 2**20:.2f} MiB')


if __name__ == '__main__':
    main()

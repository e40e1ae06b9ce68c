"""Take the gate out of a training checkpoint: a small safetensors file that any other backbone takes as gate=FILE.

python tools/model_converters/export_gate.py configs/msvit_s16_224x224_in1k.py \
    work_dirs/msvit_s16_224x224_in1k/epoch_20.pth gate_s32_in1k.safetensors --half

Beside the weights the file tells, as JSON texts in its metadata, how pixels were normalised (mean and std, RGB, 0..255), the
region size coarse_patch_size, and the gate's threshold, budget and temperature, all from the config.
"""

import argparse
from pathlib import Path

from msvit.checkpoints import CheckpointError, save_gate
from msvit.engine.launch import load_config
from msvit.engine.run_gate import read_run_gate
from msvit.gates import Normalization


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of the training')
    parser.add_argument('checkpoint', help='its checkpoint; averaged weights are preferred where it holds any')
    parser.add_argument('out', type=Path, metavar='FILE.safetensors', help='file to write')
    parser.add_argument('--half', action='store_true', help='store the weights in half precision')
    parser.add_argument('--mean', type=float, nargs='+', help='of the pixels in 0..255, where the config does not tell it')
    parser.add_argument('--std', type=float, nargs='+', help='of the pixels in 0..255, where the config does not tell it')
    parser.add_argument(
        '--channel-order', choices=['rgb', 'bgr'], help='of the training images, where the config does not tell it'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an existing file')
    parser.set_defaults(cfg_options=None, launcher='none', local_rank=0, work_dir=None)
    args = parser.parse_args(argv)
    if args.out.exists() and not args.overwrite:
        parser.error(f'{args.out} exists: choose another name, or replace it with --overwrite')
    try:
        pixels = Normalization.of(args.mean, args.std)
        gate, pixels = read_run_gate(load_config(args), args.checkpoint, pixels, args.channel_order)
        save_gate(gate, args.out, pixels, half=args.half)
    except (FileNotFoundError, CheckpointError, ValueError) as error:
        parser.error(str(error))
    layers = ', '.join(str(len(weight)) for weight in gate.parameters() if weight.dim() > 1)
    print(f'{args.out}: {args.out.stat().st_size / 1024:.1f} KiB{", half precision" if args.half else ""}')
    print(
        f'  {type(gate).__name__}, regions of {gate.coarse_patch_size} pixels, {gate.in_channels} channels, layers of {layers}'
    )
    print(f'  pixels normalised by mean {list(pixels.mean)}, std {list(pixels.std)}')
    print(f'  threshold {gate.threshold}, budget {gate.budget}, temperature {gate.temperature}')


if __name__ == '__main__':
    main()

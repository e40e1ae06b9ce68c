"""Finding a command by its name and running it."""

import sys
import warnings
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from ..compat import drop_debug_prints, require_openmmlab
from ..version import __version__

# What each module of `msvit.cli.commands` shows. It is imported when asked for: with torch and OpenMMLab that takes seconds.
COMMANDS = {
    'macs': 'multiply-accumulates by part, dense and mixed, over real images or at given tokens (Tables 3, 4)',
    'latency': 'time against tokens, and over real images, dense and mixed in turns (Figure 10, Tables 3, 4)',
    'training-time': 'time and memory of a training step: plain, masked, trimmed, packed (Table 5)',
    'scales': 'images, their scale maps, p_fine and predictions, as a grid or an HTML report (Figures 9, 13)',
    'segment': 'segment your images, one set of pictures each',
    'transfer': 'a trained gate on images of another kind and size, without training (Figure 12)',
    'sweep': 'train over gate targets, loss weights and input sizes: accuracy against MACs (Figure 11)',
    'shifts': 'learned against fixed gate under random zooms and off-centre shifts (Figure 14)',
    'masks': 'mean and variance of the masks over a data set, learned priors before and after (Figure 15)',
    'rescaling': 'patch size against image size, embeddings resized in several ways (Figures 16, 17)',
    'peers': 'mixed scale against token merging and pruning on the same weights: MACs, speed, drift',
    'speed': 'what mixed-scale tokens gain on this machine: the table of ratios in docs/speed.md',
    'convert': 'make a mixed-scale model of a trained dense one, with labels or without',
    'compare': 'the speed of two trained models on real images, in turns',
    'page': 'a static site that runs an exported model in a browser',
    'export': 'an ONNX file whose number of tokens is that which each image needs, checked against torch',
}
COMPLETION = 'completion'


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: name and arguments of the command; None: those of the process.

    Returns:
        The exit status.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    args = _list_parser().parse_args(argv[:1])
    if args.command is None:
        _list_parser().print_help()
        return 0
    if args.command == COMPLETION:
        return _print_completion(argv[1:])
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')  # nothing here needs it
    warnings.filterwarnings('ignore', message='Default ``avg_non_ignore`` is False')
    require_openmmlab()
    drop_debug_prints()
    module = _module(args.command)
    from ..engine.launch import short_errors  # not before a command is asked for

    with short_errors():
        return module.run(make_parser(args.command, module).parse_args(argv[1:])) or 0


def make_parser(name: str, module: ModuleType | None = None) -> ArgumentParser:
    """The parser of a command."""
    module = module or _module(name)
    parser = ArgumentParser(f'msvit {name}', description=module.__doc__, formatter_class=RawDescriptionHelpFormatter)
    module.add_arguments(parser)
    return parser


def _module(name: str) -> ModuleType:
    return import_module(f'.commands.{name.replace("-", "_")}', __package__)


def _list_parser() -> ArgumentParser:
    width = max(map(len, (*COMMANDS, COMPLETION)))
    rows = {**COMMANDS, COMPLETION: 'completion of commands and options for bash, zsh and tcsh'}
    parser = ArgumentParser(
        'msvit',
        usage='msvit [-h] [--version] COMMAND ...',
        description='See and measure what mixed-scale tokens do. "msvit COMMAND --help" explains a command.',
        epilog='\n'.join(['commands:', *(f'  {name:{width}}  {text}' for name, text in rows.items())]),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=f'msvit {__version__}')
    parser.add_argument('command', nargs='?', choices=list(rows), metavar='COMMAND', help='one of those below')
    return parser


def _print_completion(argv: Sequence[str]) -> int:
    """Print a script for the shell that completes every command."""
    import shtab

    parser = ArgumentParser(
        f'msvit {COMPLETION}',
        description='Print a completion script, for instance in bash:\n\n  source <(msvit completion bash)',
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument('shell', choices=shtab.SUPPORTED_SHELLS)
    shell = parser.parse_args(argv).shell
    whole = ArgumentParser('msvit')
    commands = whole.add_subparsers()
    for name, text in COMMANDS.items():
        _module(name).add_arguments(commands.add_parser(name, help=text))
    commands.add_parser(COMPLETION, help=parser.description).add_argument('shell', choices=shtab.SUPPORTED_SHELLS)
    print(shtab.complete(whole, shell))
    return 0

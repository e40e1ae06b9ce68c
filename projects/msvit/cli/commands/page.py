"""Write a static site that runs an exported model in a browser, with no server behind it.

  msvit page model.onnx site/
  msvit page model.onnx site/ --samples photos --title 'Clothing, at two scales'
  python -m http.server --directory site                                         look at it

Whoever opens it drops a photograph or takes a sample, sees its tokens, p_fine and the prediction, and moves the threshold.
Nothing is asked of another host. ONNX Runtime for browsers is fetched by npm once; without a network give --runtime the
archive of "npm pack onnxruntime-web".
"""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from ...export.photographs import sample_photographs
from ...images import find_images
from ...page import build_site, fetch_runtime
from ..arguments import add_output, evenly, file_of, positive
from ..output import about, refuse_overwriting, say, write_json

SAMPLES = 6


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('file', type=file_of('.onnx'), metavar='FILE.onnx', help='of msvit export')
    parser.add_argument('site', type=Path, metavar='FOLDER', help='folder to write')
    parser.add_argument(
        '--samples', type=Path, nargs='+', metavar='PATH', help='images to choose from (default: photographs of scikit-image)'
    )
    parser.add_argument('--title', metavar='TEXT', help='of the page (default: the name of the config)')
    parser.add_argument(
        '--max-side', type=positive, metavar='PIXELS', help="longer images are shrunk (default: the model's own size)"
    )
    parser.add_argument(
        '--runtime', type=Path, metavar='PATH', help='archive or folder of onnxruntime-web (default: npm fetches it once)'
    )
    add_output(parser)


def run(args: Namespace) -> None:
    refuse_overwriting(args, args.site / 'index.html')
    samples = evenly(find_images(args.samples), SAMPLES) if args.samples else sample_photographs()
    info = build_site(args.file, args.site, samples, fetch_runtime(args.runtime), args.title, args.max_side)
    total = sum(file.stat().st_size for file in args.site.rglob('*') if file.is_file())
    write_json(args.out, dict(about=about(args), info=asdict(info), bytes=total))
    say(f'{args.site}: {total / 1e6:.1f} MB. Look at it: python -m http.server --directory {args.site}')

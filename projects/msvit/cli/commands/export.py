"""Export a trained model to an ONNX file whose number of tokens is that which each image needs.

  msvit export CONFIG CHECKPOINT model.onnx
  msvit export CONFIG CHECKPOINT model.onnx --normalise --images photos    the graph takes pixels of 0..255
  msvit export CONFIG CHECKPOINT model.onnx --int8                         8-bit linear layers; the gate stays as it is

Inputs of the graph are images (1, 3, H, W) of any size, threshold and budget: the trade-off stays a choice at run time.
Outputs are labels, scores, fine_mask, p_fine and tokens. Classes, colours, sizes and normalisation stand in the file's
metadata, and "msvit.runtime.OnnxModel" reads them.

Before it says that it is done, the command holds the file against torch on real images, at the gate's own settings, all fine
and a quarter fine. A file that differs by more than rounding is not kept. Images are those of the test set, or --images, or,
where neither is at hand, the photographs of scikit-image.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from ...analysis.latency import describe_machine, short
from ...analysis.model import AnalysedModel
from ...analysis.samples import FileSamples
from ...export import Agreement, ExportError, compare_with_torch, describe_model, quantize_onnx, write_onnx
from ...export.onnx_file import OPSET, OPSETS, require_onnx
from ...export.photographs import sample_photographs
from ...runtime import OnnxModel
from ..arguments import add_images, add_model, add_output, file_of, load, positive, samples_of
from ..output import about, progress, refuse_overwriting, report_left_out, say, show_rows, write_json

COUNT = 20


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument('file', type=file_of('.onnx'), metavar='FILE.onnx', help='the file to write')
    add_images(parser, count=COUNT)
    group = parser.add_argument_group('graph')
    group.add_argument('--normalise', action='store_true', help='the graph takes RGB pixels of 0..255 and normalises them')
    group.add_argument('--any-batch', action='store_true', help='the graph takes several images of one size, and is slower')
    group.add_argument('--int8', action='store_true', help='8-bit linear layers, but for the gate')
    group.add_argument(
        '--opset', type=int, choices=OPSETS, default=OPSET, metavar='N', help='of ONNX, 18 to 23 (default: %(default)s)'
    )
    group.add_argument('--threads', type=positive, metavar='N', help='of the processor, for the times')
    add_output(parser)


def run(args: Namespace) -> None:
    refuse_overwriting(args, args.file)
    require_onnx()
    if args.threads:
        torch.set_num_threads(args.threads)
    args.device = torch.device('cpu')
    model = load(args)
    info = describe_model(model, args.checkpoint, args.normalise, args.any_batch)
    with TemporaryDirectory() as folder:
        exact = Path(folder) / 'float32.onnx'
        images = list(progress(_images(args, model), 'read'))
        say('writing the graph, which takes a while')
        write_onnx(model, info, exact, args.opset)
        say(f'comparing with torch on {len(images)} images')
        results = {'float32': compare_with_torch(model, OnnxModel(exact, args.threads), images)}
        _refuse_difference(results['float32'])
        chosen = exact
        if args.int8:
            chosen = Path(folder) / 'int8.onnx'
            quantize_onnx(exact, chosen)
            results['int8'] = compare_with_torch(model, OnnxModel(chosen, args.threads), images)
        args.file.parent.mkdir(parents=True, exist_ok=True)
        args.file.write_bytes(chosen.read_bytes())
    _show(args, results)
    weights = 'int8' if args.int8 else 'float32'
    info, size = replace(info, weights=weights), args.file.stat().st_size
    write_json(args.out, dict(about=about(args), info=asdict(info), bytes=size, agreement=results))
    say(f'{args.file}: {size / 1e6:.1f} MB, {weights}, {info.task} of {len(info.classes)} classes')


def _images(args: Namespace, model: AnalysedModel) -> Iterator[np.ndarray]:
    """Tell what the model sees of each image, (H, W, 3) uint8 RGB."""
    try:
        samples = samples_of(args, model)
    except FileNotFoundError as error:
        if args.images:
            raise
        say(f'{error}: comparing on the photographs of scikit-image')
        samples = FileSamples(model, sample_photographs(), args.max_side)
    done = 0
    for sample in samples:
        done += 1
        yield sample.image
    report_left_out(samples.left_out, done)


def _refuse_difference(agreement: Agreement) -> None:
    if not agreement.is_exact:
        raise ExportError(
            'the graph differs from torch by more than rounding and is not kept; please report it with the config: '
            f'{agreement.clear_labels_apart} of {agreement.labels} labels, {agreement.clear_decisions_apart} of '
            f'{agreement.decisions} decisions, scores by up to {agreement.score_error:.1e}'
        )


def _show(args: Namespace, results: dict[str, Agreement]) -> None:
    title = f'{Path(args.config).stem}, {next(iter(results.values())).images} images, {describe_machine(args.device)}'
    columns = {
        '': '{weights}',
        'labels apart': '{labels_apart} of {labels}',
        'at near ties': '{ties}',
        'decisions apart': '{decisions_apart} of {decisions}',
        'scores apart': '{score_error:.1e}',
        'ms, torch': '{torch}',
        'ms, ONNX Runtime': '{onnx}',
        'times faster': '{faster:.2f}',
    }
    rows = []
    for weights, one in results.items():
        torch_time, onnx_time = one.seconds.values()
        times = dict(torch=short(1000 * torch_time), onnx=short(1000 * onnx_time), faster=torch_time / onnx_time)
        rows.append(dict(asdict(one), weights=weights, ties=one.labels_apart - one.clear_labels_apart, **times))
    show_rows(rows, columns, title)

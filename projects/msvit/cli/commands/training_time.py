"""Measure a training step of one model: plain, masked, trimmed, packed (Table 5).

  msvit training-time configs/msseg_mini8_128x128_digit_scenes.py CHECKPOINT --picture training_time.png
  msvit training-time configs/msvit_s16_224x224_in1k.py --noise --batch-size 8
  msvit training-time CONFIG --cfg-options model.backbone.gate.init_p_fine=0.5

plain: every region fine, no gate; masked: all candidates of both scales, the paper's "full"; trimmed: its "AT", cut to the
batch's longest; packed: present tokens alone. A step is forward, losses (the gate's too), backward and the config's optimiser.
Batches are loaded before the clock starts, the four take turns on them. The learning rate is 0, so that weights and decisions
stay: with random weights as many regions are fine as the gate's init_p_fine says, with a checkpoint as its gate decides.
An epoch is the time of a step times the steps that the training set takes at this batch size, loading apart.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from rich.table import Table

from ...analysis.latency import describe_machine, short
from ...analysis.training_time.batches import load_batches, noise_batches
from ...analysis.training_time.drawing import draw_costs
from ...analysis.training_time.model import PLAIN, layouts_of, time_training
from ..arguments import add_model, add_output, load, positive
from ..output import about, refuse_overwriting, say, show, write_json

BATCHES = 4


def add_arguments(parser: ArgumentParser) -> None:
    add_model(parser, checkpoint='optional')
    group = parser.add_argument_group('measurement')
    group.add_argument('--noise', action='store_true', help="noise images with random labels, not the config's training set")
    group.add_argument('--batch-size', type=positive, metavar='B', help="images of a batch (default: the config's)")
    group.add_argument('--rounds', type=positive, default=7, metavar='N', help='timed steps of each (default: %(default)s)')
    group.add_argument('--threads', type=positive, metavar='N', help="of the processor (default: torch's choice)")
    group.add_argument('--seed', type=int, default=0, help='of weights, batches and draws (default: %(default)s)')
    add_output(parser, picture='draw time and memory relative to plain')


def run(args: Namespace) -> None:
    refuse_overwriting(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = load(args)
    batches = (noise_batches if args.noise else load_batches)(model, BATCHES, args.batch_size, args.seed)
    costs = time_training(model, batches, args.rounds, args.seed)
    plain = costs[PLAIN]
    steps = batches.train_images and batches.train_images / batches.size
    machine = describe_machine(args.device)
    columns = ('ms per step', '5 %', '95 %', 'times plain', 'peak MB', 'times plain')
    title = f'Training steps, batch of {batches.size}, {Path(args.config).stem}, {machine}'
    table = Table('', 'tokens', *columns, *(['s per epoch'] if steps else []), title=title)
    for name, cost in costs.items():
        times = (short(1000 * seconds) for seconds in (cost.seconds.median, cost.seconds.p5, cost.seconds.p95))
        time, memory = cost.seconds.median / plain.seconds.median, cost.peak_bytes / plain.peak_bytes
        epoch = [short(steps * cost.seconds.median)] if steps else []
        row = (*times, f'{time:.2f}', short(cost.peak_bytes / 1e6), f'{memory:.2f}', *epoch)
        table.add_row(name, f'{cost.tokens:.1f}', *row)
    show(table)
    if 'trimmed' not in layouts_of(model):
        say('trimmed is left out: the windows of this backbone have no longest sequence to trim to')
    if args.picture:
        draw_costs(costs, args.picture, Path(args.config).stem)
    epochs = {name: steps * cost.seconds.median for name, cost in costs.items()} if steps else None
    about_this = {**about(args), 'machine': machine, 'batch_size': batches.size}
    write_json(args.out, dict(about=about_this, steps=costs, seconds_per_epoch=epochs))

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

from ...analysis.latency import describe_machine, short
from ...analysis.training_time.batches import load_batches, noise_batches
from ...analysis.training_time.drawing import draw_costs
from ...analysis.training_time.model import PLAIN, layouts_of, time_training
from ..arguments import add_model, add_output, load, positive
from ..output import about, refuse_overwriting, say, show_rows, write_json

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
    plain, machine = costs[PLAIN], describe_machine(args.device)
    steps = batches.train_images and batches.train_images / batches.size
    epochs = {name: steps * cost.seconds['median'] for name, cost in costs.items()} if steps else None
    columns = {
        '': '{name}',
        'tokens': '{tokens:.1f}',
        'ms per step': '{median}',
        '5 %': '{p5}',
        '95 %': '{p95}',
        'times plain': '{time:.2f}',
        'peak MB': '{peak}',
        'memory, times plain': '{memory:.2f}',
        **({'s per epoch': '{epoch}'} if epochs else {}),
    }
    rows = [
        dict(
            name=name,
            tokens=cost.tokens,
            **{key: short(1000 * cost.seconds[key]) for key in ('median', 'p5', 'p95')},
            time=cost.seconds['median'] / plain.seconds['median'],
            peak=short(cost.peak_bytes / 1e6),
            memory=cost.peak_bytes / plain.peak_bytes,
            epoch=short(epochs[name]) if epochs else '',
        )
        for name, cost in costs.items()
    ]
    show_rows(rows, columns, f'Training steps, batch of {batches.size}, {Path(args.config).stem}, {machine}')
    if 'trimmed' not in layouts_of(model):
        say('trimmed is left out: the windows of this backbone have no longest sequence to trim to')
    if args.picture:
        draw_costs(costs, args.picture, Path(args.config).stem)
    about_this = {**about(args), 'machine': machine, 'batch_size': batches.size}
    figures = {name: cost._asdict() for name, cost in costs.items()}
    write_json(args.out, dict(about=about_this, steps=figures, seconds_per_epoch=epochs))

"""Inputs that would keep a CPU busy for hours without a word."""

from typing import cast

import torch
from torch import Tensor

from .model import AnalysedModel

MAX_MACS = 1e13  # of one run with every region fine: minutes on a CPU; 33 thousand tokens of a ViT-S


def check_input(model: AnalysedModel, inputs: Tensor) -> None:
    """Refuse what a CPU would take long for; a GPU takes seconds, or says that its memory is short.

    Args:
        model: that is to run, on sliding windows if its ``test_cfg`` says so.
        inputs: (1, 3, H, W).

    Raises:
        ValueError: one run would cost more than `MAX_MACS`; says what to do.
    """
    if inputs.is_cuda:
        return
    settings = cast(dict, model.model.test_cfg) if model.segments else {}
    windows = settings.get('mode') == 'slide'
    run = inputs[..., : settings['crop_size'][0], : settings['crop_size'][1]] if windows else inputs
    grid = model.backbone.grid(run)
    tokens = torch.tensor([grid.num_fine])
    macs = model.backbone.macs(grid, tokens, torch.ones(1, *grid.region_shape, dtype=torch.bool))
    if macs.total.item() <= MAX_MACS:
        return
    remedy = 'give a lower --max-side, resize in the test pipeline of the config'
    if model.segments:
        remedy += ', or use ' + ('smaller' if windows else 'sliding') + ' windows (model.test_cfg)'
    raise ValueError(
        f'{grid.height}x{grid.width} pixels make up to {grid.num_fine} tokens and {macs.total.item() / 1e12:.0f} TMACs in one '
        f'run of the network, which takes a CPU many minutes: {remedy}'
    )

"""Bring configs/metafile.yml, which model-index.yml imports, up to date: every config with its MACs and parameters.

python tools/misc/update_metafile.py                  # counts all configs, minutes
python tools/misc/update_metafile.py configs/msseg_*  # counts these; the others keep what is written of them

Collections and results stay as they are written there, by hand. Configs that are gone are left out, those of
libraries that are not installed (mmdet) keep their counts.
"""

import argparse
import re
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import yaml
from mmengine.config import Config
from torch import nn

from msvit.analysis.input_size import native_size
from msvit.engine.load_model import build_model

ROOT = Path(__file__).resolve().parents[2]
METAFILE = ROOT / 'configs' / 'metafile.yml'
CONFIGS = sorted((*ROOT.glob('configs/*.py'), *ROOT.glob('configs/small/*.py')), key=lambda path: path.stem)
HEADER = """\
# Written by tools/misc/update_metafile.py; collections and results by hand, those of docs/accuracy.md and docs/results.md.
# FLOPs: multiply-accumulates of the backbone for one image as it comes at test, every region fine: the most that it costs.
# Parameters: of the whole model, gate, learned priors and MSSwin's coarse embedding included.
"""
# By a part of a config's name; the first one that fits.
COLLECTIONS = {
    '^ms': 'MSViT',
    '^seg_': 'Segmenter',
    '^vit_': 'Vision Transformer',
    '^deit_': 'DeiT',
    '^swin_': 'Swin Transformer',
    '^evit_': 'EViT',
    '^dyvit_': 'DynamicViT',
}
TRAINING_DATA = {
    'in1k': 'ImageNet-1k',
    'cifar10': 'CIFAR-10',
    'ade20k': 'ADE20K',
    'camvid': 'CamVid',
    'ccp': 'Clothing Co-Parsing',
    'clothing10': 'Clothing dataset (small)',
    'coco': 'COCO',
    'digit_scenes': 'DigitScenes',
    'digit_boxes': 'DigitScenes, boxes',
    'digit_labels': 'DigitScenes, labels',
}


def build_without_weights(cfg: Config) -> nn.Module:
    """A config's model; on the meta device, where its numbers take no time, if all its parts can."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # a gate's own weights are lost on the meta device, and what mmseg has to say
        try:
            with torch.device('meta'):
                return build_model(cfg)
        except RuntimeError:  # mmseg's Segmenter head reads numbers from a tensor
            return build_model(cfg)


def count(cfg: Config, model: nn.Module) -> dict[str, int]:
    """FLOPs and parameters as the metafile means them, see `HEADER`."""
    backbone = model.backbone
    grid = backbone.grid(torch.empty(1, 3, *native_size(cfg, backbone), device='meta'))
    fine_mask = torch.ones(1, *grid.region_shape, dtype=torch.bool)
    macs = backbone.macs(grid, torch.tensor([grid.num_fine]), fine_mask)
    return {'FLOPs': int(macs.total), 'Parameters': sum(parameter.numel() for parameter in model.parameters())}


def describe(config: Path, written: dict[str, Any]) -> dict[str, Any]:
    """The entry of a config.

    Args:
        config: a file.
        written: its entry so far, or {}; its results stay, and its counts where the config's library is not installed.
    """
    cfg = Config.fromfile(config)
    if find_spec(cfg.default_scope):
        counts = count(cfg, build_without_weights(cfg))
    else:
        counts = {name: value for name, value in written.get('Metadata', {}).items() if name in ('FLOPs', 'Parameters')}
        print(f'{config.name}: not counted, there is no {cfg.default_scope}')
    entry = {
        'Name': config.stem,
        'In Collection': _of_name(config.stem, COLLECTIONS),
        'Config': config.relative_to(ROOT).as_posix(),
        'Metadata': {'Training Data': _of_name(config.stem, TRAINING_DATA), **counts},
    }
    return {**entry, 'Results': written['Results']} if 'Results' in written else entry


def _of_name(name: str, table: dict[str, str]) -> str:
    for part, value in table.items():
        if re.search(part, name):
            return value
    raise ValueError(f'the name {name} has none of {", ".join(table)}: add what it has to {Path(__file__).name}')


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', type=Path, nargs='*', metavar='CONFIG', help='count these alone (default: all)')
    chosen = {config.stem for config in parser.parse_args(argv).configs}
    written = yaml.safe_load(METAFILE.read_text(encoding='utf-8'))
    before = {model['Name']: model for model in written['Models']}
    models = [
        before[config.stem]
        if chosen and config.stem in before and config.stem not in chosen
        else describe(config, before.get(config.stem, {}))
        for config in CONFIGS
    ]
    content = yaml.safe_dump({'Collections': written['Collections'], 'Models': models}, sort_keys=False, width=120)
    METAFILE.write_text(HEADER + content, encoding='utf-8')
    print(f'{METAFILE}: {len(models)} models, {sum("Results" in model for model in models)} with results')


if __name__ == '__main__':
    main()

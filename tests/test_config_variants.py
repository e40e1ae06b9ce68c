"""The page of configs: it names every config, and its variants change what it says.

``config_variants.json`` holds what each variant changed when it was a file of its own, by dotted key: null where a key went.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from shipped_configs import CONFIGS, PAGE, expand, load_config, variants

CHANGES = json.loads(Path(__file__).with_name('config_variants.json').read_text(encoding='utf-8'))
# Variables that lines of a config share; nothing else reads them.
SHARED = ('arch', 'gate', 'gate_loss', 'gate_warmup')


def flatten(value: Any, name: str = '') -> dict[str, Any]:
    """The values of a config by dotted key, as --cfg-options names them."""
    if not value or not isinstance(value, (dict, list, tuple)):
        return {name: value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for key, part in pairs for k, v in flatten(part, f'{name}.{key}' if name else str(key)).items()}


def flat_config(cfg: Config) -> dict[str, Any]:
    return flatten({key: value for key, value in cfg.to_dict().items() if key not in SHARED})


def test_every_variant_is_documented():
    assert sorted(variants()) == sorted(CHANGES)


@pytest.mark.parametrize('run', CHANGES)
def test_a_line_changes_what_its_file_changed(run):
    path, _ = variants()[run]
    before, after = flat_config(Config.fromfile(path)), flat_config(load_config(run))
    keys = before.keys() ^ after.keys() | {key for key in before.keys() & after.keys() if before[key] != after[key]}
    assert {key: after.get(key) for key in keys} == CHANGES[run]


def test_the_page_names_every_config_once():
    tables = PAGE.read_text(encoding='utf-8').split('\n## ImageNet at another size\n')[0]
    cells = [row.split('|')[1] for row in tables.splitlines() if row.startswith('| `')]
    named = [name for cell in cells for names in re.findall('`(.+?)`', cell) for name in expand(names)[0]]
    assert sorted(named) == sorted(CONFIGS)

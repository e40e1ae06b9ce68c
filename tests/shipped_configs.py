"""The configs by name: files, and their variants as the tables of docs/configs.md have them, read as a shell reads them."""

import re
import subprocess
from argparse import ArgumentParser
from functools import cache
from pathlib import Path

from mmengine.config import Config, DictAction

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'configs.md'
CONFIGS = {path.stem: path for pattern in ('*.py', 'small/*.py') for path in sorted((ROOT / 'configs').glob(pattern))}


def expand(*words: str, before: str = '') -> list[list[str]]:
    """The words of a shell that each text stands for.

    Args:
        words: texts with braces, quotes and variables.
        before: lines that set the variables.
    """
    lines = [before, *(f"printf '%s\\n' {word} --" for word in words)]
    output = subprocess.run(['bash', '-c', '\n'.join(lines)], check=True, capture_output=True, text=True).stdout
    return [part.splitlines() for part in output.split('--\n')[:-1]]


@cache
def variants() -> dict[str, tuple[Path, dict]]:
    """File and options of every documented variant."""
    text = PAGE.read_text(encoding='utf-8').split('\n## Variants\n')[1]
    variables = '\n'.join(re.findall(r'^\w+=\(.*?\)$', text, re.DOTALL | re.MULTILINE))
    rows = re.findall(r'^\| `(.+?)` \| `(.+?)` \| `(.+?)` \|$', text, re.MULTILINE)
    words = iter(expand(*(word for row in rows for word in row), before=variables))
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    found = {}
    for runs, configs, options in zip(words, words, words, strict=True):
        for run, config in zip(runs, configs, strict=True):
            path = ROOT / 'configs' / f'{config}.py'
            named = [option.replace('CONFIG', path.stem) for option in options]
            found[run] = path, parser.parse_args(['--cfg-options', *named]).cfg_options
    return found


def load_config(name: str, **settings) -> Config:
    """A config of the project, or a variant.

    Args:
        name: of the file, without folder and ending, or of the variant's run.
        **settings: replace its own, by dotted key.
    """
    path, options = (CONFIGS[name], {}) if name in CONFIGS else variants()[name]
    cfg = Config.fromfile(path)
    cfg.merge_from_dict({**options, **settings})
    return cfg

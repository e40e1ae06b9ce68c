"""README and documentation site: short, whole, and without a dead link."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDERS = ('mine', 'NAME', 'CONFIG')
PAGES = sorted(path.relative_to(ROOT) for path in (*ROOT.glob('*.md'), *ROOT.glob('docs/*.md')))


@pytest.fixture(scope='module')
def site(tmp_path_factory) -> Path:
    """The site, built so that a warning is an error."""
    folder = tmp_path_factory.mktemp('site')
    environ = {**os.environ, 'NO_MKDOCS_2_WARNING': '1'}
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--quiet', '--site-dir', str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_asks_no_foreign_host_for_anything(site):
    for page in site.rglob('*.html'):
        asked = re.findall(r'<(?:script|img|link)[^>]*(?:src|href)="(https?://[^"]+)"', page.read_text(encoding='utf-8'))
        assert not [address for address in asked if 'canonical' not in address], page


def test_the_api_pages_hold_what_is_public(site):
    text = (site / 'api' / 'gates' / 'index.html').read_text(encoding='utf-8')
    assert all(name in text for name in ('ContextGate', 'MLPGate', 'calibrate', 'fine_share'))


def test_the_readme_takes_two_minutes():
    assert len((ROOT / 'README.md').read_bytes()) <= 9000


@pytest.mark.parametrize('page', PAGES, ids=str)
def test_local_links_lead_somewhere(page):
    for target in re.findall(r'\]\(([^)#\s]+)', (ROOT / page).read_text(encoding='utf-8')):
        if not target.startswith(('http://', 'https://')):
            assert (ROOT / page.parent / target).exists(), f'{page}: {target}'


@pytest.mark.parametrize('page', PAGES, ids=str)
def test_configs_and_tools_that_are_named_exist(page):
    text = (ROOT / page).read_text(encoding='utf-8')
    named = re.findall(r'(?<![\w/])((?:configs|tools)/[\w/.-]+\.(?:py|sh))\b', text)
    missing = [name for name in named if not (ROOT / name).is_file() and Path(name).stem not in PLACEHOLDERS]
    assert not missing, f'{page} names {missing}'

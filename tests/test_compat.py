"""The installed package, and the message where OpenMMLab is missing."""

import runpy
from importlib.metadata import version
from pathlib import Path

import pytest
from setuptools import find_packages

from msvit import compat

ROOT = Path(__file__).resolve().parents[1]


def test_the_version_has_one_source():
    assert version('msvit') == runpy.run_path(str(ROOT / 'projects' / 'msvit' / 'version.py'))['__version__']


def test_every_folder_of_sources_is_a_package():
    folders = {path.parent.relative_to(ROOT / 'projects') for path in (ROOT / 'projects' / 'msvit').rglob('*.py')}
    assert {'.'.join(folder.parts) for folder in folders} == set(find_packages(str(ROOT / 'projects')))


def test_openmmlab_is_found():
    compat.require_openmmlab()


@pytest.mark.parametrize('missing', ['mmengine', 'mmseg'])
def test_a_missing_openmmlab_names_both_extras(monkeypatch, missing):
    monkeypatch.setattr(compat, 'find_spec', lambda name: None if name == missing else object())
    with pytest.raises(ImportError, match=missing) as error:
        compat.require_openmmlab()
    assert 'msvit[onedl]' in str(error.value)
    assert 'msvit[openmmlab]' in str(error.value)


@pytest.mark.parametrize('original', [True, False])
def test_the_original_mmseg_wants_mmcv_with_operators(monkeypatch, original):
    monkeypatch.setattr(compat, 'find_spec', lambda name: None if name == 'mmcv._ext' else object())
    monkeypatch.setattr(compat, '_is_original', lambda: original)
    if not original:
        compat.require_openmmlab()
        return
    with pytest.raises(ImportError, match='compiled operators') as error:
        compat.require_openmmlab()
    assert 'MMCV_WITH_OPS=1 pip install' in str(error.value)

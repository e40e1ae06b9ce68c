"""model-index.yml and configs/metafile.yml: they name what is there, and count it right."""

import re
import runpy
from importlib.util import find_spec
from pathlib import Path

import pytest
from modelindex.load_model_index import load
from shipped_configs import CONFIGS

ROOT = Path(__file__).resolve().parents[1]
TOOL = runpy.run_path(str(ROOT / 'tools/misc/update_metafile.py'))
# One of each backbone and kind of head; the tool counts all.
COUNTED = [
    *('msvit_mini4_32x32_cifar10', 'vit_mini4_32x32_cifar10', 'msdeit_s16_224x224_in1k', 'deit_s16_224x224_in1k'),
    *('evit_s16_224x224_in1k', 'evit_mini4_32x32_cifar10', 'dyvit_s16_224x224_in1k', 'dyvit_mini4_32x32_cifar10'),
    *('swin_t_224x224_in1k', 'swin_mini2_32x32_cifar10', 'msseg_mini8_128x128_digit_scenes'),
    *('msswin_mini4_c16_upernet_128x128_digit_scenes', 'vit_mini8_128x128_digit_labels'),
]
if find_spec('mmdet'):  # make test-det
    COUNTED += ['msvit_mini8_fcos_sfp_128x128_digit_boxes', 'msswin_mini4_c16_mask_rcnn_fpn_128x128_digit_boxes']
# Of the papers, in 1e9 and 1e6: DeiT (Table 5), Swin (Table 1), EViT (Table 1), MSViT (Table 4, backbones).
PUBLISHED = {
    'deit_s16_224x224_in1k': (4.6, 22),
    'swin_t_224x224_in1k': (4.5, None),  # MSSwin brings its coarse embedding, used or not
    'evit_s16_224x224_in1k': (3.0, 22),
    'seg_t16_512x512_ade20k': (10.4, None),
    'seg_s16_512x512_ade20k': (31.7, None),
}


@pytest.fixture(scope='module')
def index():
    return load(str(ROOT / 'model-index.yml'))


@pytest.fixture(scope='module')
def models(index):
    return {model.name: model for model in index.models}


def test_every_config_is_listed_once(index, models):
    missing = set(CONFIGS) - set(models)
    assert not missing, f'run python tools/misc/update_metafile.py, which adds {sorted(missing)}'
    assert sorted(models) == sorted(CONFIGS)
    assert len(index.models) == len(models)
    assert all((ROOT / model.config).stem == name for name, model in models.items())


def test_collections_are_known_and_documented(index, models):
    names = [collection.name for collection in index.collections]
    assert len(set(names)) == len(names)
    assert {model.in_collection for model in models.values()} == set(names)
    assert all((ROOT / collection.readme).is_file() for collection in index.collections)
    assert all(collection.paper['URL'].startswith('https://arxiv.org/abs/') for collection in index.collections)


@pytest.mark.parametrize('name', COUNTED)
def test_counts_are_those_of_the_model(name, models):
    metadata = models[name].metadata
    counted = TOOL['describe'](CONFIGS[name], {})['Metadata']
    assert (metadata.flops, metadata.parameters) == (counted['FLOPs'], counted['Parameters'])


@pytest.mark.parametrize('name', PUBLISHED)
def test_counts_are_those_of_the_papers(name, models):
    macs, parameters = PUBLISHED[name]
    assert models[name].metadata.flops == pytest.approx(macs * 1e9, rel=0.02)
    if parameters:
        assert models[name].metadata.parameters == pytest.approx(parameters * 1e6, rel=0.03)


def test_results_are_those_of_the_documents(models):
    pages = [ROOT / 'docs' / name for name in ('accuracy.md', 'results.md')]
    told = '\n'.join(page.read_text(encoding='utf-8') for page in pages)
    measured = [(name, result.metrics) for name, model in models.items() for result in model.results or []]
    assert ('msseg_mini8_128x128_digit_scenes', {'mIoU': 90.89}) in measured
    assert not [name for name, _ in measured if re.search('in1k|ade20k|coco', name)]
    for name, metrics in measured:
        (value,) = metrics.values()
        assert re.search(rf'(?<![\d.]){value}0*(?![\d.])', told), f'no page has {value} of {name}'

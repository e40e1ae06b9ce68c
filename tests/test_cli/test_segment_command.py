"""``msvit segment``: pictures and figures of every image that can be read, and a word on the others."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

from msvit.cli import main

KINDS = ('labels', 'panel', 'scales', 'seg')
CONFIG = """
default_scope = 'mmseg'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True),
    backbone=dict(type='msvit.MSViT', arch=dict(embed_dim=16, depth=1, num_heads=2, patch_size=8), img_size=32,
                  coarse_patch_size=16, gate=dict(type='msvit.MLPGate', hidden_dims=(8,)), out_type='tokens',
                  pretrained='weights_that_are_nowhere.pth'),
    decode_head=dict(type='msvit.MixedScaleSegmenterHead', in_channels=16, channels=16, in_index=-1, num_classes=3,
                     num_layers=1, num_heads=2, embed_dims=16),
    test_cfg=dict(mode='whole'),
)
palette = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
test_dataloader = dict(dataset=dict(
    type='BaseSegDataset', metainfo=dict(classes=('a', 'b', 'c'), palette=palette),
    pipeline=[dict(type='LoadImageFromFile'), dict(type='Resize', scale=(48, 48), keep_ratio=True),
              dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))
"""


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / 'tiny.py'
    path.write_text(CONFIG)
    return path


@pytest.fixture
def checkpoint(config, tmp_path) -> Path:
    """Random weights, with which the gate finds about half of the regions of noise fine."""
    init_default_scope('mmseg')
    cfg = Config.fromfile(config)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model | dict(backbone=cfg.model.backbone | dict(pretrained=None)))
    torch.nn.init.normal_(model.backbone.gate.mlp[-1].weight)
    torch.nn.init.zeros_(model.backbone.gate.mlp[-1].bias)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'tiny.pth')
    return tmp_path / 'tiny.pth'


SIZES = {name: (40, 56) for name in ('rgb', 'grey', 'rgba', 'palette', 'deep')} | {
    'deeper/turned': (56, 40),
    'deeper/tiny': (5, 3),
}


@pytest.fixture
def segment(config, checkpoint, images, tmp_path):
    """A function that runs the command on the images, with more arguments, and returns what the JSON file holds."""

    def run(*arguments, source=images, out='out') -> dict:
        figures = tmp_path / 'figures' / f'{out}.json'
        options = ('--out-dir', tmp_path / out, '--out', figures, '--device', 'cpu')
        assert main(['segment', *map(str, (config, checkpoint, source, *options, *arguments))]) == 0
        return json.loads(figures.read_text())

    return run


def test_every_kind_of_image_gets_pictures_of_its_own_size(segment, tmp_path, images, capsys):
    figures = segment()
    written = {str(path.relative_to(tmp_path / 'out')) for path in (tmp_path / 'out').rglob('*.png')}
    assert written == {f'{name}_{kind}.png' for name in SIZES for kind in KINDS}
    for one in figures['images']:
        name = str(Path(one['file']).relative_to(images).with_suffix(''))
        height, width = SIZES[name]
        assert (one['height'], one['width']) == (height, width)
        labels, scales, seg = (Image.open(tmp_path / 'out' / f'{name}_{kind}.png') for kind in ('labels', 'scales', 'seg'))
        assert labels.mode == 'L' and labels.size == seg.size == (width, height)
        assert labels.getextrema()[1] < 3
        assert scales.size == (width * one['zoom'], height * one['zoom'])
    assert figures['left_out'] == []
    assert '7 images segmented, 0 left out' in capsys.readouterr().out


def test_tokens_and_macs_add_up(segment):
    figures = segment()
    for one in figures['images']:
        regions = one['dense_tokens'] / 4
        if regions == int(regions):  # no fine cells in the padding
            assert one['tokens'] == regions + 3 * round(one['fine_share'] * regions)
        assert 0 < one['tokens'] <= one['dense_tokens'] and one['gmacs'] > 0 and one['inputs'] == 1
    assert any(0 < one['fine_share'] < 1 for one in figures['images'])
    for name in ('tokens', 'dense_tokens', 'gmacs', 'inputs'):
        assert figures['summary'][name] == pytest.approx(sum(one[name] for one in figures['images']))


@pytest.mark.parametrize(
    ('setting', 'fine'),
    [
        (('--threshold', 0), 9),
        (('--threshold', 1), 0),
        (('--budget', 0), 0),
        (('--threshold', 0, '--budget', 2), 2),
        (('--threshold', 0, '--budget', 0.5), 4),
    ],
)
def test_threshold_and_budget_change_the_tokens(segment, images, setting, fine):
    (one,) = segment(*setting, source=images / 'rgb.jpg')['images']
    assert one['fine_share'] == pytest.approx(fine / 9)  # seen at 34x48 pixels


def test_the_labels_are_the_models(segment, images, config, checkpoint, tmp_path):
    segment('--opacity', 1, source=images / 'grey.png')
    labels = np.asarray(Image.open(tmp_path / 'out' / 'grey_labels.png'))
    colours = np.asarray(Image.open(tmp_path / 'out' / 'grey_seg.png'))
    assert (colours == np.eye(3, dtype=np.uint8)[labels] * 255).all()

    cfg = Config.fromfile(config)
    model = MODELS.build(cfg.model | dict(backbone=cfg.model.backbone | dict(pretrained=None))).eval()
    model.load_state_dict(torch.load(checkpoint, weights_only=True)['state_dict'])
    init_default_scope('mmseg')
    pipeline = cfg.test_dataloader.dataset.pipeline
    data = Compose([pipeline[0], pipeline[1], pipeline[3]])(dict(img_path=str(images / 'grey.png')))
    with torch.no_grad():
        expected = model.test_step({key: [value] for key, value in data.items()})[0].pred_sem_seg.data[0]
    assert (labels == expected.numpy()).all()


def test_labels_of_huge_images_are_scored_smaller_and_enlarged(segment, images, tmp_path, monkeypatch):
    segment(source=images / 'grey.png', out='whole')
    monkeypatch.setattr('msvit.analysis.segment.MAX_SCORED_PIXELS', 40 * 56 // 4)
    segment(source=images / 'grey.png', out='smaller')
    whole, smaller = (np.asarray(Image.open(tmp_path / out / 'grey_labels.png')) for out in ('whole', 'smaller'))
    assert smaller.shape == whole.shape
    assert (smaller[::2, ::2] == smaller[1::2, 1::2]).all() and not (whole[::2, ::2] == whole[1::2, 1::2]).all()
    assert (smaller == whole).mean() > 0.8


def test_sliding_windows_are_all_counted(segment, config, images):
    config.write_text(CONFIG.replace("mode='whole'", "mode='slide', crop_size=(32, 32), stride=(16, 16)"))
    (one,) = segment(source=images / 'grey.png')['images']
    assert one['inputs'] == 4  # 34x48 pixels
    assert one['dense_tokens'] == 4 * 16


def test_unreadable_files_are_left_out_and_named(segment, images, capsys):
    (images / 'broken.jpg').write_bytes((images / 'rgb.jpg').read_bytes()[:700])
    (images / 'false.png').write_text('no image')
    figures = segment()
    assert len(figures['images']) == len(SIZES)
    assert [Path(one['file']).name for one in figures['left_out']] == ['broken.jpg', 'false.png']
    assert all(one['reason'] for one in figures['left_out'])
    assert '7 images segmented, 2 left out' in capsys.readouterr().out


def test_long_images_are_shrunk_and_labelled_at_their_own_size(segment, images, config, tmp_path):
    config.write_text(CONFIG.replace("dict(type='Resize', scale=(48, 48), keep_ratio=True),", ''))
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (20, 3000, 3), dtype=np.uint8)).save(images / 'long.png')
    (default,) = segment(source=images / 'long.png')['images']
    assert default['note'] == '3000x20 shrunk to 2048x14' and default['dense_tokens'] == 256 * 2
    (short,) = segment('--max-side', 300, '--overwrite', source=images / 'long.png')['images']
    assert short['note'] == '3000x20 shrunk to 300x2' and short['dense_tokens'] == 38
    assert Image.open(tmp_path / 'out' / 'long_labels.png').size == (3000, 20)
    assert segment('--overwrite', source=images / 'rgb.jpg')['images'][0]['note'] == ''


def test_what_takes_a_cpu_many_minutes_is_left_out_with_the_remedy(segment, config, monkeypatch):
    config.write_text(CONFIG.replace("dict(type='Resize', scale=(48, 48), keep_ratio=True),", ''))
    monkeypatch.setattr('msvit.analysis.input_limit.MAX_MACS', 1e5)
    figures = segment()
    assert [Path(one['file']).name for one in figures['images']] == ['tiny.png']
    assert 'tokens and 0 TMACs in one run' in figures['left_out'][0]['reason']
    assert '--max-side' in figures['left_out'][0]['reason'] and 'sliding windows' in figures['left_out'][0]['reason']


def test_nothing_readable_is_a_failure_with_a_report(segment, tmp_path):
    (tmp_path / 'lonely.png').write_text('no image')
    with pytest.raises(SystemExit, match='error: no image is left'):
        segment(source=tmp_path / 'lonely.png')
    assert len(json.loads((tmp_path / 'figures' / 'out.json').read_text())['left_out']) == 1


def test_images_of_one_name_and_pictures_of_earlier_runs(segment, images, tmp_path):
    Image.open(images / 'rgb.jpg').save(images / 'rgb.bmp')
    segment('--budget', 1, out='images/results')
    figures = segment('--overwrite', out='images/results')
    assert len(figures['images']) == len(SIZES) + 1
    written = {path.name for path in (images / 'results').glob('rgb.*')}
    assert written == {f'rgb.{suffix}_{kind}.png' for suffix in ('jpg', 'bmp') for kind in KINDS}


def test_files_are_overwritten_only_on_demand(segment, images, tmp_path):
    segment(source=images / 'grey.png')
    before = (tmp_path / 'out' / 'grey_seg.png').read_bytes()
    (tmp_path / 'figures' / 'out.json').unlink()
    with pytest.raises(SystemExit, match='grey_seg.png exists, and 3 more: give --overwrite'):
        segment('--opacity', 0.1)
    assert (tmp_path / 'out' / 'grey_seg.png').read_bytes() == before
    assert not (tmp_path / 'out' / 'rgb_seg.png').exists()
    segment('--opacity', 0.1, '--overwrite')
    assert (tmp_path / 'out' / 'grey_seg.png').read_bytes() != before


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda folder: dict(source=folder / 'nowhere'), 'there is no image or folder'),
        (lambda folder: dict(source=folder / 'deeper', out='images/deeper'), 'is the folder of the images'),
    ],
)
def test_wrong_places_are_named(segment, images, change, message):
    with pytest.raises(SystemExit, match=message):
        segment(**change(images))


def test_an_empty_folder_is_named(segment, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(SystemExit, match='empty holds no image'):
        segment(source=tmp_path / 'empty')


def test_a_foreign_checkpoint_is_refused(segment, checkpoint):
    torch.save(dict(state_dict={'backbone.cls_token': torch.zeros(1, 1, 16)}), checkpoint)
    with pytest.raises(SystemExit, match=r'(?s)tiny\.pth does not fit the model.*Missing key'):
        segment()


def test_a_gate_without_threshold_is_named(segment, config, checkpoint):
    config.write_text(CONFIG.replace("dict(type='msvit.MLPGate', hidden_dims=(8,))", "dict(type='msvit.RadialGate')"))
    weights = torch.load(checkpoint, weights_only=True)['state_dict']
    torch.save({name: value for name, value in weights.items() if 'gate' not in name}, checkpoint)
    with pytest.raises(SystemExit, match='threshold cannot be set: the model has a RadialGate'):
        segment('--threshold', 0.4)
    assert all(one['fine_share'] <= 1 for one in segment()['images'])


@pytest.mark.parametrize('arguments', [('--threshold', '1.5'), ('--budget', '-1'), ('--opacity', '2'), ('--budget', 'half')])
def test_wrong_numbers_are_refused(segment, arguments, capfd):
    with pytest.raises(SystemExit, match='2'):
        segment(*arguments)
    assert arguments[0] in capfd.readouterr().err

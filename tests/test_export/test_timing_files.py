"""``msvit latency`` and ``msvit compare`` on exported files."""

import json

import pytest
from exported_models import noisy_image
from PIL import Image

from msvit.cli import main


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    for number, shape in enumerate(((96, 128), (128, 64))):
        Image.fromarray(noisy_image(*shape)).save(folder / f'{number}.png')
    return folder


def test_latency_against_tokens(segmentor, tmp_path, capsys):
    out, picture = tmp_path / 'latency.json', tmp_path / 'latency.png'
    main(['latency', str(segmentor.path), '--rounds', '1', '--threads', '1', '--out', str(out), '--picture', str(picture)])
    (group,) = json.loads(out.read_text())['per_batch']
    assert [point['tokens'] for point in group['mixed']] == [64, 100, 139, 178, 217, 256]
    assert group['dense']['tokens'] == 256
    assert Image.open(picture).width > 500
    assert 'segmentor' in capsys.readouterr().out
    with pytest.raises(SystemExit, match='63 tokens are not to be had: an input of 128x128 pixels has 64 .* to 256'):
        main(['latency', str(segmentor.path), '--tokens', '63'])


def test_latency_over_images(segmentor, photos, tmp_path):
    out = tmp_path / 'latency.json'
    main(['latency', str(segmentor.path), '--images', str(photos), '--rounds', '1', '--out', str(out)])
    each = json.loads(out.read_text())['seconds']
    assert [image['dense_tokens'] for image in each] == [192, 128]
    assert all(image['tokens'] < image['dense_tokens'] for image in each)


def test_settings_of_configs_are_refused(segmentor):
    with pytest.raises(SystemExit, match='a .onnx file is timed as it is'):
        main(['latency', str(segmentor.path), '--dtype', 'bfloat16'])


@pytest.mark.parametrize('order', [('file', 'file'), ('file', 'config'), ('config', 'file')])
def test_compare(order, segmentor, segmentor_pair, tmp_path):
    parties = dict(file=[str(segmentor.path)], config=segmentor_pair)
    out = tmp_path / 'compare.json'
    pairs = ['--first', *parties[order[0]], '--second', *parties[order[1]]]
    main(['compare', *pairs, '--images', '1', '--rounds', '1', '--out', str(out)])
    figures = json.loads(out.read_text())
    assert figures['images'] == 1
    assert min(figures['seconds_per_image']) > 0


@pytest.mark.parametrize('second', [['a.onnx', 'b.pth'], ['config.py']])
def test_compare_wants_a_file_or_a_pair(segmentor, second):
    with pytest.raises(SystemExit, match='name a config and its checkpoint, or a .onnx file alone'):
        main(['compare', '--first', str(segmentor.path), '--second', *second])

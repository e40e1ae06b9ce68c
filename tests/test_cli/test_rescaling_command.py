"""``msvit rescaling``."""

import json

import numpy as np
import pytest
from PIL import Image

from msvit.cli import main


def test_over_the_test_set(trained, tmp_path, capsys):
    out, picture = tmp_path / 'rescaling.json', tmp_path / 'rescaling.png'
    sizes = ['--patch-sizes', '8', '16', '--tokens-per-side', '8', '--num-images', '2']
    main(['rescaling', *trained(), *sizes, '--out', str(out), '--picture', str(picture)])
    figures = json.loads(out.read_text())
    assert [(point['patch_size'], point['img_size'], point['own']) for point in figures['points']] == [
        (8, [64, 64], False),
        (16, [128, 128], False),
        (8, [128, 128], True),
    ]
    assert figures['images'] == 2 and figures['accuracy'] == 'mIoU'
    assert all(score['agreement'] == 100 for score in figures['points'][-1]['methods'].values())
    assert all(0 <= score['accuracy'] <= 100 for point in figures['points'] for score in point['methods'].values())
    assert Image.open(picture).width > 1000
    printed = capsys.readouterr().out
    assert 'best at equal tokens' in printed and '128x128 (own)' in printed


def test_over_files_without_labels(trained, tmp_path, capsys):
    folder, out = tmp_path / 'photos', tmp_path / 'rescaling.json'
    folder.mkdir()
    Image.fromarray(np.arange(40 * 56, dtype=np.uint8).reshape(40, 56)).save(folder / 'grey.png')
    Image.fromarray(np.zeros((9, 9, 4), dtype=np.uint8)).save(folder / 'small.png')
    (folder / 'text.jpg').write_text('no image')
    sizes = ['--img-sizes', '64', '--patch-sizes', '16']
    main(['rescaling', *trained(), '--images', str(folder), *sizes, '--out', str(out), '--picture', str(tmp_path / 'a.png')])
    figures = json.loads(out.read_text())
    assert figures['images'] == 2 and [one['file'] for one in figures['left_out']] == [str(folder / 'text.jpg')]
    assert all(score['accuracy'] is None for point in figures['points'] for score in point['methods'].values())
    assert [point['img_size'] for point in figures['points']] == [[64, 96], [40, 56]]
    assert 'best at equal tokens' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--img-sizes', '40', '--patch-sizes', '16'], 'patches of 16 pixels do not fit images of 40: choose 32 or 48'),
        (['--images', '{folder}'], 'no image is left'),
    ],
)
def test_mistakes_are_named(trained, tmp_path, arguments, message):
    folder = tmp_path / 'folder'
    folder.mkdir()
    (folder / 'broken.png').touch()
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        main(['rescaling', *trained(), *(argument.format(folder=folder) for argument in arguments)])

"""``msvit macs``."""

import json

import numpy as np
import pytest
from PIL import Image

from msvit.cli import main


def read(path) -> dict:
    return json.loads(path.read_text())


def test_over_the_test_set(trained, tmp_path, capsys):
    out, picture = tmp_path / 'new' / 'macs.json', tmp_path / 'macs.png'
    assert main(['macs', *trained(), '--out', str(out), '--picture', str(picture)]) == 0
    figures = read(out)
    assert [image['name'] for image in figures['images']] == ['0', '1', '2']
    totals = [image['mixed']['total'] for image in figures['images']]
    assert figures['gmacs']['mixed']['total']['mean'] == pytest.approx(np.mean(totals))
    assert figures['gmacs']['mixed']['total']['median'] == pytest.approx(np.median(totals))
    assert all(image['dense']['gate'] == 0 < image['mixed']['gate'] for image in figures['images'])
    assert Image.open(picture).width > 1000
    assert '3 images' in capsys.readouterr().out


def test_a_stricter_gate_costs_less(trained, tmp_path):
    totals = []
    for threshold in (0, 1):
        out = tmp_path / f'{threshold}.json'
        main(['macs', *trained(), '--threshold', str(threshold), '--out', str(out)])
        totals.append(read(out)['gmacs']['mixed'])
    assert [one['tokens']['mean'] for one in totals] == [256, 64]
    assert totals[0]['total']['mean'] > totals[1]['total']['mean']


def test_of_given_tokens(trained, tmp_path):
    out = tmp_path / 'macs.json'
    main(['macs', trained()[0], '--tokens', '64', '160', '256', '--out', str(out)])
    dense, *mixed = read(out)['gmacs']
    assert [row['tokens'] for row in mixed] == [64, 160, 256]
    for part in ('embedding', 'blocks', 'head'):
        assert mixed[-1][part] == pytest.approx(dense[part])
        assert mixed[0][part] < mixed[1][part] < mixed[2][part]
    assert mixed[-1]['total'] == pytest.approx(dense['total'] + mixed[-1]['gate'])


def test_over_a_folder_with_a_broken_file(trained, tmp_path, capsys):
    folder = tmp_path / 'photos'
    folder.mkdir()
    Image.fromarray(np.zeros((40, 56), dtype=np.uint8)).save(folder / 'grey.png')
    (folder / 'text.jpg').write_text('no image')
    out = tmp_path / 'macs.json'
    main(['macs', *trained(), '--images', str(folder), '--out', str(out)])
    figures = read(out)
    assert [image['name'] for image in figures['images']] == [str(folder / 'grey.png')]
    assert figures['images'][0]['dense']['tokens'] == 35
    assert [one['file'] for one in figures['left_out']] == [str(folder / 'text.jpg')]
    assert '1 images used, 1 left out' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['{config}'], 'name a checkpoint, or --tokens'),
        (['{config}', '--tokens', '63'], '63 tokens are not to be had.*64 .* to 256'),
        (['{config}', '--tokens', '80', '--picture', 'a.png'], 'leave out --images and --picture'),
        (['{config}', '{weights}', '--images', '{folder}/none'], 'there is no image or folder'),
        (['{config}', '{weights}', '--images', '{folder}'], 'holds no image'),
        (['{config}', '{folder}/none.pth'], 'none.pth'),
        (['{config}', '{weights}', '--out', '{folder}/there.json'], 'there.json exists: give --overwrite'),
        (['{folder}/none.py', '{weights}'], 'There is no config'),
    ],
)
def test_mistakes_are_named(trained, tmp_path, arguments, message):
    config, weights = trained()
    folder = tmp_path / 'folder'
    folder.mkdir()
    (folder / 'there.json').touch()
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        main(['macs', *(argument.format(config=config, weights=weights, folder=folder) for argument in arguments)])

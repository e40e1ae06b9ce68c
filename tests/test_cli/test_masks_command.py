"""``msvit masks`` on real scenes and on files."""

import json

import numpy as np
import pytest
from PIL import Image

from msvit.cli import main


def test_maps_of_two_models(trained, tmp_path, capsys, assert_drawn):
    out, picture = tmp_path / 'masks.json', tmp_path / 'masks.png'
    also = [*trained('seg'), 'dense']
    mixed = trained(
        'msseg', gate=dict(type='msvit.MLPGate', _delete_=True), gate_loss=dict(type='msvit.GBaSLoss', grid=(8, 8))
    )
    main(['masks', *mixed, '--name', 'mixed', '--also', *also, '--out', str(out), '--picture', str(picture)])
    mixed, dense = json.loads(out.read_text())['models']
    assert (mixed['name'], dense['name']) == ('mixed', 'dense')
    assert np.shape(mixed['mean']) == np.shape(mixed['variance']) == np.shape(mixed['priors']['learned']) == (8, 8)
    assert np.all(np.array(mixed['priors']['initial']) == 0.5)
    assert dense['priors'] is None and dense['fine'] == 1 and dense['image_dependence'] == 0
    assert mixed['images'] == 3 and mixed['resampled'] == 0
    assert_drawn(picture)
    assert 'by the image' in capsys.readouterr().out


def test_files_of_other_sizes_and_broken_ones(trained, tmp_path, capsys):
    folder = tmp_path / 'photos'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in (('grey.png', (50, 70)), ('tiny.png', (5, 9, 3)), ('rgba.png', (128, 128, 4))):
        Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(folder / name)
    (folder / 'broken.jpg').write_bytes(b'no image')
    out = tmp_path / 'masks.json'
    model = trained()
    main(['masks', *model, '--also', *model, 'twin', '--images', str(folder), '--out', str(out)])
    figures = json.loads(out.read_text())
    assert [one['images'] for one in figures['models']] == [3, 3]
    assert figures['models'][0]['resampled'] == 2
    assert len(figures['left_out']) == 1
    printed = capsys.readouterr().out
    assert printed.count('left out: ') == 1 and '2 of 3 masks resampled by area to 8x8 regions' in printed


def test_results_are_not_overwritten(trained, tmp_path):
    out = tmp_path / 'masks.json'
    out.touch()
    with pytest.raises(SystemExit, match='--overwrite'):
        main(['masks', *trained(), '--out', str(out)])

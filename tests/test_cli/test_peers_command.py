"""``msvit peers``."""

import json

import numpy as np
import pytest
from PIL import Image

from msvit.cli import main


def test_on_the_weights_of_the_dense_twin(trained, tmp_path, capsys):
    out, picture = tmp_path / 'peers.json', tmp_path / 'peers.png'
    options = ['--weights', *trained('seg'), '--thresholds', '0.7', '--gate', 'saliency', '--rounds', '1', '--batch-size', '2']
    main(['peers', *trained(), *options, '--num-images', '2', '--out', str(out), '--picture', str(picture)])
    figures = json.loads(out.read_text())
    assert figures['feature'] == 'mean patch feature' and figures['images'] == 2
    results = {one['method']: one for one in figures['results']}
    assert list(results) == ['dense', 'mixed', 'ToMe', 'EViT', 'saliency']
    assert results['dense']['distances'] == 0 and results['dense']['tokens'] == 256
    assert results['ToMe']['gmacs'] == pytest.approx(results['mixed']['gmacs'], rel=0.05)
    assert all(one['seconds'].keys() == {'1', '2'} and one['right'] is None for one in results.values())
    assert Image.open(picture).width > 1000
    printed = capsys.readouterr().out
    assert 'left out: DynamicViT' in printed and 'weights of seg_tiny' in printed


def test_over_a_folder_with_a_broken_file(trained, tmp_path, capsys):
    folder, out = tmp_path / 'photos', tmp_path / 'peers.json'
    folder.mkdir()
    Image.fromarray(np.arange(70 * 90, dtype=np.uint8).reshape(70, 90)).save(folder / 'grey.png')
    Image.fromarray(np.zeros((9, 9, 4), dtype=np.uint8)).save(folder / 'small.png')
    (folder / 'text.jpg').write_text('no image')
    main(['peers', *trained(), '--images', str(folder), '--threshold', '0.5', '--rounds', '1', '--out', str(out)])
    figures = json.loads(out.read_text())
    assert figures['images'] == 2 and [one['file'] for one in figures['left_out']] == [str(folder / 'text.jpg')]
    assert [one['settings'] for one in figures['results'] if one['method'] == 'mixed'] == [['threshold 0.5']]
    assert '2 images used, 1 left out' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('names', 'options', 'message'),
    [
        (['seg'], [], 'the model has no gate: compare a mixed-scale model'),
        (['msseg'], ['--thresholds', '2'], 'must lie in'),
        (['msseg'], ['--gate', 'learned'], 'invalid choice'),
    ],
)
def test_mistakes_are_named(trained, capsys, names, options, message):
    with pytest.raises(SystemExit) as error:
        main(['peers', *trained(*names), *options])
    assert message in str(error.value) + capsys.readouterr().err

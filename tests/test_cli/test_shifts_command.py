"""``msvit shifts`` on real scenes."""

import json

import pytest

from msvit.cli import main


def test_points_table_and_picture(trained, tmp_path, capsys, assert_drawn):
    out, picture = tmp_path / 'shifts.json', tmp_path / 'shifts.png'
    arguments = ['shifts', *trained(), '--points', '3', '--num-images', '2', '--out', str(out)]
    assert main([*arguments, '--picture', str(picture)]) == 0
    figures = json.loads(out.read_text())
    first, *moved = figures['points']
    assert first['transform'] == dict(zoom=1.0, x=0.0, y=0.0) and len(moved) == 2
    assert first['learned'].keys() == {'accuracy', 'gmacs', 'tokens'}
    assert first['gain'] == pytest.approx(first['learned']['accuracy'] - first['fixed']['accuracy'])
    assert figures['metric'] == 'mIoU' and figures['images'] == 2 and 'radial' in figures['fixed_model']
    assert figures['summary'][1]['points'] == 2
    assert_drawn(picture)
    assert 'all moved' in capsys.readouterr().out

    with pytest.raises(SystemExit, match='--overwrite'):
        main(arguments)
    main([*arguments, '--overwrite'])
    assert json.loads(out.read_text())['points'] == figures['points']


def test_against_a_model_of_its_own(trained, tmp_path):
    out = tmp_path / 'shifts.json'
    fixed = trained('seg')
    main(['shifts', *trained(), '--fixed', *fixed, '--points', '2', '--num-images', '1', '--out', str(out)])
    figures = json.loads(out.read_text())
    assert figures['fixed_model'] == 'seg_tiny'
    assert [point['fixed']['tokens'] for point in figures['points']] == [256, 256]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--fixed', 'round'], 'takes one of radial, uniform, random, or CONFIG CHECKPOINT; got round'),
        (['--fixed', 'a', 'b', 'c'], 'got a b c'),
        (['--zoom', '2', '1'], 'the least first'),
        (['--shift', '0.7'], 'a share of the frame'),
    ],
)
def test_bad_arguments_are_explained(arguments, message):
    with pytest.raises(SystemExit, match=message):
        main(['shifts', 'no_config.py', 'no_checkpoint.pth', *arguments])

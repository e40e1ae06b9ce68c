"""``msvit latency``."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from msvit.cli import main


@pytest.fixture(autouse=True)
def keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def model(trained) -> tuple[str, str]:
    return trained(arch=dict(depth=1))


def test_against_tokens(model, tmp_path, capsys):
    out, picture = tmp_path / 'new' / 'latency.json', tmp_path / 'latency.png'
    arguments = ['--tokens', '64', '160', '--batch-sizes', '1', '2', '--rounds', '2', '--threads', '1']
    assert main(['latency', model[0], *arguments, '--out', str(out), '--picture', str(picture)]) == 0
    figures = json.loads(out.read_text())
    assert (figures['about']['rounds'], figures['about']['threads']) == (2, 1)
    assert torch.get_num_threads() == 1
    assert [[point['tokens'] for point in group['mixed']] for group in figures['per_batch']] == [[64, 160]] * 2
    for group in figures['per_batch']:
        for part in ('blocks', 'backbone', 'model'):
            dense, mixed = (point['seconds'][part]['median'] for point in (group['dense'], group['mixed'][0]))
            assert group['mixed'][0]['faster'][part] == pytest.approx(dense / mixed)
            assert group['dense']['faster'][part] == 1
    assert Image.open(picture).width > 1500
    said = capsys.readouterr().out
    assert '1 threads, float32' in said and 'blocks: transformer blocks alone' in said


def test_without_a_checkpoint_from_all_coarse_to_all_fine(model, tmp_path):
    out = tmp_path / 'latency.json'
    main(['latency', model[0], '--rounds', '1', '--dtype', 'bfloat16', '--out', str(out)])
    (group,) = json.loads(out.read_text())['per_batch']
    tokens = [point['tokens'] for point in group['mixed']]
    assert (tokens[0], tokens[-1]) == (64, 256)
    assert tokens == sorted(tokens)


def test_over_images(model, tmp_path, capsys):
    folder = tmp_path / 'photos'
    folder.mkdir()
    for side in (90, 128):
        Image.fromarray(np.random.default_rng(side).integers(0, 256, (side, 128, 3), dtype=np.uint8)).save(
            folder / f'{side}.png'
        )
    (folder / 'text.jpg').write_text('no image')
    out, picture = tmp_path / 'latency.json', tmp_path / 'latency.png'
    main(['latency', *model, '--images', str(folder), '--rounds', '2', '--out', str(out), '--picture', str(picture)])
    figures = json.loads(out.read_text())
    assert [image['dense_tokens'] for image in figures['seconds']] == [256, 192]
    assert all(image['faster'] == pytest.approx(image['dense'] / image['mixed']) for image in figures['seconds'])
    faster = [image['faster'] for image in figures['seconds']]
    assert figures['spread']['times faster']['mean'] == pytest.approx(np.mean(faster))
    assert figures['spread']['mixed, ms']['max'] == pytest.approx(1000 * max(image['mixed'] for image in figures['seconds']))
    assert [one['file'] for one in figures['left_out']] == [str(folder / 'text.jpg')]
    assert Image.open(picture).height > 800
    assert '2 images used, 1 left out' in capsys.readouterr().out


def test_over_the_test_set(model, tmp_path):
    out = tmp_path / 'latency.json'
    main(['latency', *model, '--rounds', '1', '--num-images', '2', '--threshold', '1', '--out', str(out)])
    figures = json.loads(out.read_text())
    assert [(image['name'], image['tokens']) for image in figures['seconds']] == [('0', 64), ('2', 64)]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['{config}', '--tokens', '63'], '63 tokens are not to be had.*64 .* to 256'),
        (['{config}', '{weights}', '--tokens', '80', '--images', '.'], 'leave out --images'),
        (['{config}', '--images', '.'], 'name a checkpoint, or leave out --images'),
        (['{config}', '{weights}', '--batch-sizes', '2'], 'leave out --batch-sizes'),
        (['{config}', '--out', '{there}'], 'there.json exists: give --overwrite'),
    ],
)
def test_mistakes_are_named(model, tmp_path, arguments, message):
    there = tmp_path / 'there.json'
    there.touch()
    with pytest.raises(SystemExit, match=f'error: .*{message}'):
        main(['latency', *(argument.format(config=model[0], weights=model[1], there=there) for argument in arguments)])


def test_dense_models_have_no_gate_to_time(trained):
    with pytest.raises(SystemExit, match='error: the model has no gate'):
        main(['latency', *trained('seg', arch=dict(depth=1))])

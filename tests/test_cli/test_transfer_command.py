"""``msvit transfer``: a gate on images of every kind, drawn and counted."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from msvit.checkpoints import save_gate
from msvit.cli import main
from msvit.gates import ContextGate, MLPGate, Normalization

CONFIG = """
model = dict(
    type='ImageClassifier',
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True),
    backbone=dict(type='msvit.MSViT', gate=dict(type='msvit.MLPGate', hidden_dims=(8,), threshold=0.4)),
)
"""
SIZES = {'rgb.jpg': (56, 40), 'grey.png': (56, 40), 'rgba.png': (56, 40), 'palette.gif': (56, 40), 'deep.tif': (56, 40)} | {
    'turned.JPG': (40, 56),
    'tiny.png': (3, 5),
    'strip.png': (400, 1),
}


@pytest.fixture
def gate() -> MLPGate:
    torch.manual_seed(0)
    gate = MLPGate(8, hidden_dims=(8,), init_p_fine=0.5)
    torch.nn.init.normal_(gate.mlp[-1].weight)
    return gate.eval()


@pytest.fixture
def file(gate, tmp_path) -> Path:
    return save_gate(gate, tmp_path / 'gate.safetensors', Normalization((127.5,) * 3, (127.5,) * 3))


@pytest.fixture
def images(images) -> Path:
    """Those of the other commands, and a single row of pixels."""
    Image.new('RGB', (400, 1)).save(images / 'deeper' / 'strip.png')
    return images


@pytest.fixture
def transfer(file, images, tmp_path):
    """A function that runs the command with more arguments and returns what the JSON file holds."""

    def run(*arguments, gate=file, places=(images,), picture=tmp_path / 'out' / 'transfer.png') -> dict:
        out = tmp_path / 'figures' / 'transfer.json'
        options = ('--picture', picture, '--out', out, '--size', 32, *arguments)
        assert main(['transfer', *map(str, (gate, *places, *options))]) == 0
        return json.loads(out.read_text())

    return run


def test_a_gate_with_context_is_taken_as_well(transfer, tmp_path):
    torch.manual_seed(0)
    file = save_gate(ContextGate(8, width=8), tmp_path / 'context.safetensors', Normalization((127.5,) * 3, (127.5,) * 3))
    figures = transfer('--threshold', '0.4', gate=file)
    assert len(figures['images']) == len(SIZES) and figures['coarse_patch_size'] == 8 and figures['threshold'] == 0.4


def test_every_kind_of_image_is_drawn_and_counted(transfer, tmp_path, capsys):
    figures = transfer()
    assert {Path(one['file']).name: (one['width'], one['height']) for one in figures['images']} == SIZES
    inputs = {Path(one['file']).name: (one['input_width'], one['input_height']) for one in figures['images']}
    assert inputs['rgb.jpg'] == (45, 32) and inputs['tiny.png'] == (32, 53) and inputs['strip.png'] == (128, 1)
    for one in figures['images']:
        assert one['regions'] == -(-one['input_width'] // 8) * -(-one['input_height'] // 8)
        assert one['fine_share'] == pytest.approx(one['fine_regions'] / one['regions'])
    shares = [one['fine_share'] for one in figures['images']]
    assert figures['summary']['mean_fine_share'] == pytest.approx(np.mean(shares)) and 0 < np.mean(shares) < 1
    assert figures['mean'] == [127.5] * 3 and figures['coarse_patch_size'] == 8 and figures['left_out'] == []
    picture = np.asarray(Image.open(tmp_path / 'out' / 'transfer.png').convert('RGB'))
    assert picture.shape[0] > 4 * 100 and picture.std() > 20
    assert '8 images drawn, 0 left out' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'fine'), [(('--threshold', 0), 24), (('--threshold', 1), 0), (('--threshold', 0, '--budget', 5), 5)]
)
def test_threshold_and_budget(transfer, images, arguments, fine):
    (one,) = transfer(*arguments, places=[images / 'rgb.jpg'])['images']
    assert one['fine_regions'] == fine


def test_a_training_checkpoint_with_its_config(transfer, gate, file, images, tmp_path):
    torch.save(
        dict(state_dict={f'backbone.gate.{name}': value for name, value in gate.state_dict().items()}), tmp_path / 'run.pth'
    )
    (tmp_path / 'run.py').write_text(CONFIG)
    expected = transfer('--threshold', 0.4)
    assert transfer('--overwrite', '--config', tmp_path / 'run.py', gate=tmp_path / 'run.pth')['images'] == expected['images']
    pixels = ('--mean', *(127.5,) * 3, '--std', *(127.5,) * 3, '--threshold', 0.4)
    assert transfer('--overwrite', *pixels, gate=tmp_path / 'run.pth')['images'] == expected['images']
    with pytest.raises(SystemExit, match='run.pth does not tell how pixels were normalised .* --config, or --mean and --std'):
        transfer('--overwrite', gate=tmp_path / 'run.pth')


def test_unreadable_files_are_named_and_left_out(transfer, images, capsys):
    (images / 'broken.jpg').write_bytes((images / 'rgb.jpg').read_bytes()[:700])
    (images / 'false.png').write_text('no image')
    figures = transfer()
    assert [Path(one['file']).name for one in figures['left_out']] == ['broken.jpg', 'false.png']
    assert len(figures['images']) == 8 and '8 images drawn, 2 left out' in capsys.readouterr().out


def test_nothing_readable_is_a_failure_with_a_report(transfer, tmp_path):
    (tmp_path / 'lonely.png').write_text('no image')
    with pytest.raises(SystemExit, match='error: no image is left'):
        transfer(places=[tmp_path / 'lonely.png'])
    content = json.loads((tmp_path / 'figures' / 'transfer.json').read_text())
    assert len(content['left_out']) == 1 and content['summary']['images'] == 0
    assert not (tmp_path / 'out').exists()


def test_many_images_go_on_several_pictures_which_are_no_input(transfer, images):
    picture = images / 'transfer.png'
    first = transfer('--per-picture', 3, picture=picture)
    assert sorted(path.name for path in images.glob('transfer*')) == ['transfer.png', 'transfer_2.png', 'transfer_3.png']
    assert transfer('--per-picture', 3, '--overwrite', picture=picture)['images'] == first['images']


def test_files_are_overwritten_only_on_demand(transfer):
    transfer()
    with pytest.raises(SystemExit, match='transfer.json exists, and 1 more: give --overwrite'):
        transfer()


@pytest.mark.parametrize(
    ('places', 'message'), [(['nowhere'], 'there is no image or folder'), (['empty'], 'empty holds no image')]
)
def test_wrong_places_are_named(transfer, tmp_path, places, message):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(SystemExit, match=message):
        transfer(places=[tmp_path / place for place in places])


@pytest.mark.parametrize(
    'arguments', [('--size', '0'), ('--threshold', '2'), ('--budget', 'half'), ('--picture', 'a.jpg'), ('--out', 'a.txt')]
)
def test_wrong_arguments_are_refused(transfer, arguments, capfd):
    with pytest.raises(SystemExit, match='2'):
        transfer(*arguments)
    assert arguments[0] in capfd.readouterr().err

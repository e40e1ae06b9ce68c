"""``msvit convert``."""

import json
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from msvit.checkpoints import CheckpointError, read_checkpoint, read_dataset_meta, save_weights
from msvit.cli import main
from msvit.conversion.conversion import Conversion
from msvit.conversion.dense import load_dense
from msvit.engine.launch import read_config
from msvit.engine.load_model import build_model, load_model
from msvit.gates import ContextGate

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
SMALL = dict(arch=dict(embed_dim=128, depth=1, num_heads=2, patch_size=8))
SEED_HOOK = 'msvit.engine.seed_hook.IterationSeedHook'
FEW = ('--iters', 4, '--teach-iters', 3, '--cfg-options', 'train_dataloader.batch_size=2')


def convert(*arguments) -> int:
    return main(['convert', *map(str, arguments)])


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    """Leave out what takes most of the time here: laying out the text of configs, and calibrating on many images."""
    monkeypatch.setattr('msvit.engine.teach_gate_hook._CALIBRATION_IMAGES', 6)
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))


@pytest.fixture
def dense(trained) -> tuple[str, str]:
    """Config and checkpoint of a tiny dense Segmenter with random weights."""
    return trained('seg', **SMALL)


@pytest.fixture
def linear(dense, tmp_path) -> tuple[str, str]:
    """The same under a linear head, which reads a feature map."""
    path = tmp_path / 'linear_tiny.py'
    path.write_text(Path(dense[0]).read_text().replace('/seg_mini8_', '/small/vit_mini8_linear_'))
    return str(path), str(save_weights(build_model(Config.fromfile(path)), tmp_path / 'linear.safetensors'))


@pytest.fixture
def classifier(tmp_path) -> tuple[str, str]:
    """Config and checkpoint of a tiny dense classifier with random weights, and ten images of two classes to train on."""
    rng = np.random.default_rng(0)
    for split, label, number in np.ndindex(2, 2, 5):
        folder = tmp_path / 'data' / ('train', 'test')[split] / f'class{label}'
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f'{number}.png')
    path = tmp_path / 'vit_tiny.py'
    loader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root=str(tmp_path / 'data')))
    path.write_text(
        f"_base_ = '{CONFIGS}/small/vit_mini4_32x32_cifar10.py'\nload_from = None\n"
        "custom_hooks = [dict(type='EMAHook'), dict(type='msvit.IterationSeedHook')]\n"
        'model = dict(backbone=dict(arch=dict(depth=2)), head=dict(num_classes=2), data_preprocessor=dict(num_classes=2),\n'
        "  train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8)]))\n"
        f'train_dataloader = val_dataloader = test_dataloader = {loader!r}\n'
        "val_evaluator = test_evaluator = [dict(type='Accuracy', topk=(1,))]\n"
    )
    return str(path), str(save_weights(build_model(Config.fromfile(path)), tmp_path / 'vit.safetensors'))


def figures_of(out: Path) -> dict:
    return json.loads((out / 'convert.json').read_text())


def losses(out: Path) -> dict[int, float]:
    """By iteration, of all runs of a training."""
    lines = [line for file in sorted(out.glob('training/*/vis_data/scalars.json')) for line in file.read_text().splitlines()]
    return {record['step']: record['loss'] for record in map(json.loads, lines) if 'loss' in record}


def test_with_labels_and_all_thresholds(dense, tmp_path, capsys):
    out = tmp_path / 'out'
    assert convert(*dense, '--out', out, '--sweep', '--target', 0.4, *FEW) == 0
    assert {path.name for path in out.iterdir()} == {
        *('mixed.py', 'mixed.safetensors', 'convert.json', 'scales.png', 'sweep.png', 'training')
    }
    assert not list(out.glob('training/*.pth')), 'checkpoints of the training are removed'

    model = load_model(Config.fromfile(out / 'mixed.py'), out / 'mixed.safetensors')
    assert isinstance(model.backbone.gate, ContextGate) and model.backbone.gate.frozen
    assert read_dataset_meta(out / 'mixed.safetensors')['classes'][0] == 'background'
    before = read_checkpoint(dense[1])
    after = model.state_dict()
    assert before.keys() == {name for name in after if '.gate.' not in name}
    assert not torch.equal(before['decode_head.cls_emb'], after['decode_head.cls_emb']), 'the model has learned'

    figures = figures_of(out)
    assert figures['metric'] == 'mIoU' and figures['about']['iters'] == 4
    assert figures['dense']['tokens'] == 256 and 64 < figures['mixed']['tokens'] < 256
    for name in ('tokens', 'gmacs'):
        assert figures['against_dense'][name] == pytest.approx(figures['mixed'][name] / figures['dense'][name])
    assert figures['dense']['seconds'] > 0 and figures['mixed']['seconds'] > 0
    settings = figures['sweep']['settings']
    assert [one['share'] for one in settings] == pytest.approx([tenth / 10 for tenth in range(1, 11)])
    tokens = [one['reached']['tokens'] for one in settings]
    assert tokens == sorted(tokens) and tokens[-1] == 256 and tokens[0] < 150
    cheapest = next(one for one in settings if one['reached']['score'] >= figures['dense']['score'] - 0.5)
    assert figures['sweep']['recommended'] == cheapest['option']

    said = capsys.readouterr().out
    assert 'against dense' in said and f': {cheapest["option"]}' in said and str(out / 'mixed.safetensors') in said

    mixed, scales = (out / 'mixed.py', out / 'mixed.safetensors'), tmp_path / 'scales.json'
    assert main(['scales', *map(str, mixed), '--picture', str(tmp_path / 'a.png'), '--out', str(scales)]) == 0
    assert json.loads(scales.read_text())['summary']['tokens']['mean'] == pytest.approx(figures['mixed']['tokens'])
    with pytest.raises(SystemExit, match='convert takes the config of the dense model'):
        convert(*mixed, '--out', tmp_path / 'again')
    with pytest.raises(SystemExit, match='holds a conversion: give --resume to go on with it, or --overwrite'):
        convert(*dense, '--out', out, *FEW)


def test_without_labels(linear, images, capsys):
    out = images / 'out'
    (images / 'broken.jpg').write_text('no image')
    assert convert(*linear, '--images', images, '--out', out, '--sweep', *FEW) == 0
    figures = figures_of(out)
    assert figures['metric'] == 'agreement' and figures['dense']['score'] == 100
    assert figures['images']['training'] == figures['images']['test'] == 7, 'too few to hold any back'
    assert [Path(one['file']).name for one in figures['images']['left_out']] == ['broken.jpg']
    assert figures['sweep']['settings'][-1]['reached']['tokens'] == figures['dense']['tokens']
    assert figures['mixed']['tokens'] < figures['dense']['tokens']
    assert sorted(losses(out)) == [1, 2, 3, 4]
    assert Config.fromfile(out / 'mixed.py').model.neck.type == 'msvit.UnfoldTokens'
    assert read_checkpoint(out / 'mixed.safetensors')['neck.weight'].abs().sum() > 0
    assert 'broken.jpg' in capsys.readouterr().out
    assert convert(*linear, '--images', images, '--out', out, '--resume', *FEW) == 0, 'its own pictures are no images'


@pytest.mark.parametrize('labels', [True, False])
def test_a_classifier(classifier, tmp_path, labels):
    out = tmp_path / 'out'
    images = () if labels else ('--images', tmp_path / 'data' / 'train')
    convert(*classifier, '--out', out, *images, *FEW)
    figures = figures_of(out)
    assert figures['metric'] == ('accuracy/top1' if labels else 'agreement')
    assert figures['dense']['tokens'] == 64 > figures['mixed']['tokens'] > 16
    if not labels:
        assert (figures['images']['training'], figures['images']['test']) == (8, 2)


def test_a_classifier_in_the_naming_of_timm(classifier, tmp_path):
    config, checkpoint = classifier
    names = (('backbone.', ''), ('head.fc.', 'head.'))
    weights = read_checkpoint(checkpoint)
    for before, after in names:
        weights = {name.replace(before, after): value for name, value in weights.items()}
    timm = save_weights(weights, tmp_path / 'timm.safetensors')
    images, out = ('--images', tmp_path / 'data' / 'train'), tmp_path / 'out'
    linear = 'model.head.type=VisionTransformerClsHead'
    convert(config, timm, '--out', out, *images, *FEW, linear)
    dense = read_checkpoint(out / 'training' / 'dense.safetensors')
    assert torch.equal(dense['backbone.patch_embed.proj.weight'], weights['patch_embed.proj.weight'])
    assert torch.equal(dense['head.layers.head.weight'], weights['head.weight'])
    out.rename(tmp_path / 'moved')
    convert(config, timm, '--out', tmp_path / 'moved', *images, '--resume', *FEW, linear)


def test_an_interrupted_conversion_goes_on_with_the_same_losses(dense, tmp_path, monkeypatch, capsys):
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    config = read_config(dense[0], {'train_dataloader.batch_size': 2})
    conversion = Conversion(config, dense[1], 0.5, whole, iters=4, teach_iters=3)
    conversion.begin()
    conversion.train()
    assert len(set(losses(whole).values())) == 4

    def interrupt(*args, **kwargs):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    # in the teaching; after two steps of the model
    for name, resume in (('msvit.engine.teach_gate_hook.teaching_loss', []), (f'{SEED_HOOK}.before_train_iter', ['--resume'])):
        calls, original = iter(range(100)), resolve_name(name)
        with monkeypatch.context() as patch:
            patch.setattr(name, interrupt)
            assert convert(*dense, '--out', parts, *resume, *FEW) == 130
        assert 'with --resume goes on' in capsys.readouterr().out
        assert not (parts / 'mixed.safetensors').exists()
    parts.rename(tmp_path / 'moved')
    convert(*dense, '--out', tmp_path / 'moved', '--resume', *FEW)
    assert losses(tmp_path / 'moved') == losses(whole)
    first, second = (read_checkpoint(out / 'mixed.safetensors') for out in (whole, tmp_path / 'moved'))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_regions_that_are_all_alike_teach_nothing(dense, scenes, tmp_path):
    (tmp_path / 'pure').mkdir()
    for file in (scenes / 'annotations' / 'train').iterdir():
        Image.new('L', (128, 128)).save(tmp_path / 'pure' / file.name)
    labels = f'train_dataloader.dataset.data_prefix.seg_map_path={tmp_path / "pure"}'
    with pytest.raises(SystemExit, match=r'^error: LabelTeacher finds all regions of the training images alike'):
        convert(*dense, '--out', tmp_path / 'out', *FEW, labels)
    assert not (tmp_path / 'out' / 'mixed.safetensors').exists()


def test_labels_that_are_no_classes_are_named(dense, scenes, tmp_path):
    (tmp_path / 'wrong').mkdir()
    for file in (scenes / 'annotations' / 'train').iterdir():
        Image.new('L', (128, 128), 200).save(tmp_path / 'wrong' / file.name)
    labels = f'train_dataloader.dataset.data_prefix.seg_map_path={tmp_path / "wrong"}'
    with pytest.raises(SystemExit, match=r'^error: .*\.png .*200'):
        convert(*dense, '--out', tmp_path / 'out', *FEW, labels)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--resume', '--overwrite'], 'give one of them'),
        (['--images', 'nowhere'], 'there is no image or folder nowhere'),
        (['--images', 'empty'], 'empty holds no image'),
        (['--images', 'broken'], 'none of the 1 images in broken can be read'),
        (
            ['--cfg-options', 'model.backbone.type=msvit.MSEViT', 'model.backbone.prune_at=[1]'],
            r'knows models on msvit\.MSViT and msvit\.MSDeiT',
        ),
        (['--cfg-options', 'model.backbone.arch.embed_dim=64'], 'does not fit the model of the config'),
        (['--cfg-options', 'train_dataloader=None'], 'needs train_dataloader of the config'),
        (['--cfg-options', 'train_dataloader.dataset.data_root=nowhere'], 'the folder nowhere/images/train'),
    ],
)
def test_mistakes_are_named_at_the_door(classifier, dense, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path('empty').mkdir()
    Path('broken').mkdir()
    Path('broken/a.png').write_text('no image')
    with pytest.raises(SystemExit, match=message):
        convert(*(classifier if 'MSEViT' in str(arguments) else dense), '--out', 'out', *arguments)
    assert not Path('out').exists()


@pytest.mark.parametrize('target', ['0', '1', '-0.5', 'half'])
def test_a_target_out_of_range(dense, tmp_path, capsys, target):
    with pytest.raises(SystemExit) as end:
        convert(*dense, '--out', tmp_path / 'out', f'--target={target}')
    assert end.value.code == 2 and '--target' in capsys.readouterr().err


def test_a_host_without_a_backbone_of_msvit(trained, tmp_path):
    config, checkpoint = trained('seg', **SMALL)
    plain = dict(_delete_=True, type='mmseg.VisionTransformer', img_size=(128, 128), embed_dims=128, num_layers=1, num_heads=4)
    Path(config).write_text(Path(config).read_text().replace(repr(SMALL), repr(plain)))
    with pytest.raises(SystemExit, match=r"no backbone of msvit.*type='msvit.MSViT'"):
        convert(config, checkpoint, '--out', tmp_path / 'out')


def test_a_checkpoint_of_a_mixed_model(trained, dense, tmp_path):
    _, mixed = trained('msseg')
    with pytest.raises(CheckpointError, match='is that of a mixed-scale model already'):
        load_dense(Config.fromfile(dense[0]), mixed)

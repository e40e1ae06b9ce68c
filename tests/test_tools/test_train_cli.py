"""tools/train.py: trains, resumes exactly, and says what is wrong."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from PIL import Image

from msvit.engine.launch import read_config
from msvit.registry import HOOKS

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason='a GPU is there')


@HOOKS.register_module(force=True)
class InterruptForTest(Hook):
    """Stop a training as Ctrl-C does, after four iterations."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize('workers', [0, 2])
def test_resume_repeats_the_losses_of_an_uninterrupted_run(toy_config, tmp_path, run_tool, read_losses, workers):
    options = (f'train_dataloader.num_workers={workers}',)
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'whole', options=options)
    interrupted = tmp_path / 'interrupted.py'
    interrupted.write_text(toy_config.read_text() + "custom_hooks.append(dict(type='msvit.InterruptForTest'))\n")
    with pytest.raises(KeyboardInterrupt):
        run_tool('train.py', interrupted, '--work-dir', tmp_path / 'parts', options=options)
    assert (tmp_path / 'parts' / 'iter_3.pth').is_file()
    assert not (tmp_path / 'parts' / 'iter_6.pth').exists()
    shutil.move(tmp_path / 'parts', tmp_path / 'moved')  # an absolute path stands in last_checkpoint

    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'moved', '--resume', options=options)

    whole, resumed = read_losses(tmp_path / 'whole'), read_losses(tmp_path / 'moved')
    assert sorted(whole) == [1, 2, 3, 4, 5, 6]
    assert len(set(whole.values())) == 6
    assert resumed == whole
    first, second = (torch.load(tmp_path / name / 'iter_6.pth', weights_only=False) for name in ('whole', 'moved'))
    for key, value in first['state_dict'].items():
        assert torch.equal(value, second['state_dict'][key]), key


def test_training_by_epochs_resumes_exactly_too(tmp_path, run_tool, read_losses):
    """The CIFAR-10 config itself, on ten classes of two images."""
    rng = np.random.default_rng(0)
    for split, label, number in itertools.product(('train', 'test'), range(10), range(2)):
        folder = tmp_path / 'data' / split / f'class{label}'
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f'{number}.png')
    options = [
        'load_from=None',
        'train_dataloader.batch_size=4',
        'default_hooks.logger.interval=1',
        'log_processor.window_size=1',
    ]
    options += ['param_scheduler.0.end=0.5', 'param_scheduler.1.begin=0.5']  # of five iterations
    for loader in ('train', 'val', 'test'):
        options += [f'{loader}_dataloader.dataset.data_root={tmp_path / "data"}', f'{loader}_dataloader.num_workers=0']
        options += [f'{loader}_dataloader.persistent_workers=False']
    config = Path(__file__).parents[2] / 'configs' / 'small' / 'msvit_mini4_32x32_cifar10.py'

    run_tool('train.py', config, '--work-dir', tmp_path / 'whole', options=(*options, 'train_cfg.max_epochs=2'))
    run_tool('train.py', config, '--work-dir', tmp_path / 'parts', options=(*options, 'train_cfg.max_epochs=1'))
    run_tool('train.py', config, '--work-dir', tmp_path / 'parts', '--resume', options=(*options, 'train_cfg.max_epochs=2'))

    whole, parts = read_losses(tmp_path / 'whole'), read_losses(tmp_path / 'parts')
    assert len(whole) == 10
    assert parts == whole


def test_resume_from_a_named_checkpoint_goes_on_there(toy_config, tmp_path, run_tool, read_losses):
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'a', options=('train_cfg.max_iters=3',))
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'b', '--resume', tmp_path / 'a' / 'iter_3.pth', '--no-validate')
    assert sorted(read_losses(tmp_path / 'b')) == [4, 5, 6]


def test_resume_with_nothing_to_resume_says_so_and_starts(toy_config, run_tool, tmp_path, capfd):
    run_tool('train.py', toy_config, '--resume', '--no-validate', options=('train_cfg.max_iters=1',))
    assert 'Nothing to resume in work_dirs/toy: training starts from the beginning.' in ''.join(capfd.readouterr())
    assert (tmp_path / 'elsewhere' / 'work_dirs' / 'toy' / 'iter_1.pth').is_file()


def test_a_pipeline_that_cannot_be_resumed_exactly_is_told(toy_config, tmp_path, run_tool, capfd):
    toy_config.write_text(toy_config.read_text().replace("    dict(type='msvit.SeedSample'),\n", ''))
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'w', '--no-validate', options=('train_cfg.max_iters=1',))
    assert 'has no msvit.SeedSample' in ''.join(capfd.readouterr())


@NO_GPU
@pytest.mark.parametrize('options', [(), ('optim_wrapper.type=AmpOptimWrapper', 'optim_wrapper.loss_scale=dynamic')])
def test_mixed_precision_on_a_cpu(toy_config, tmp_path, run_tool, read_losses, options):
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'full', '--no-validate')
    run_tool('train.py', toy_config, '--work-dir', tmp_path / 'mixed', '--no-validate', '--amp', options=options)
    full, mixed = read_losses(tmp_path / 'full'), read_losses(tmp_path / 'mixed')
    assert mixed != full and mixed == pytest.approx(full, rel=0.05)
    state = torch.load(tmp_path / 'mixed' / 'iter_6.pth', weights_only=False)['state_dict']
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float32}


def test_mixed_precision_replaces_no_wrapper_of_another_kind(toy_config, run_tool, capfd):
    with pytest.raises(SystemExit, match='2'):
        run_tool('train.py', toy_config, '--amp', options=('optim_wrapper.type=OptimWrapperDict',))
    assert '--amp replaces an OptimWrapper, but the config has OptimWrapperDict' in capfd.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py'], 'There is no config nowhere.py'),
        (['{config}', '--resume', 'nowhere.pth'], 'There is no checkpoint nowhere.pth'),
        pytest.param(['{config}', '--launcher', 'slurm'], '--launcher slurm needs GPUs', marks=NO_GPU),
        (['{config}', '--launcher', 'pytorch'], '--launcher pytorch is for processes that torchrun starts'),
    ],
)
def test_user_mistakes_are_named_before_anything_starts(toy_config, run_tool, capfd, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        run_tool('train.py', *(argument.format(config=toy_config) for argument in arguments))
    assert message in capfd.readouterr().err


def test_a_config_of_a_strange_kind_is_refused(tmp_path, run_tool, capfd):
    (tmp_path / 'config.txt').write_text('model = dict()')
    with pytest.raises(SystemExit, match='2'):
        run_tool('train.py', tmp_path / 'config.txt')
    assert 'is no config' in capfd.readouterr().err


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (
            'model.decode_head.num_classes=5',
            'FCNHead has num_classes=5, but the 2 classes of BaseSegDataset are background, square',
        ),
        ('model.backbone.type=msvit.MSVit', r'error: msvit\.MSVit is not in the'),
        ('load_from=other.pth', "the checkpoint fits only 0 of the model's"),
    ],
)
def test_what_does_not_fit_ends_in_one_message(toy_config, run_tool, option, message):
    torch.save({'weight': torch.ones(2)}, 'other.pth')
    with pytest.raises(SystemExit, match=message):
        run_tool('train.py', toy_config, options=(option,))


@pytest.mark.parametrize('folder', ['', 'configs/', 'configs/small/'])
def test_the_projects_configs_are_found_from_anywhere(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    assert read_config(f'{folder}vit_mini4_32x32_cifar10.py').default_scope == 'mmpretrain'


@pytest.mark.parametrize('folder', ['configs', 'configs/small'])
def test_a_missing_checkpoint_names_the_training_that_makes_it(toy_config, run_tool, folder):
    Path(folder).mkdir(parents=True)
    Path(folder, 'first.py').write_text('')
    message = rf'error: There is no checkpoint work_dirs/first/iter_9\.pth\. .* tools/train\.py {folder}/first\.py'
    with pytest.raises(SystemExit, match=message):
        run_tool('train.py', toy_config, options=('load_from=work_dirs/first/iter_9.pth',))


@pytest.mark.parametrize('workers', [0, 2])
def test_a_truncated_image_ends_in_one_message(toy_config, tmp_path, run_tool, workers):
    toy_config.write_text(toy_config.read_text().replace('BaseSegDataset', 'msvit.SegDataset'))
    for image in (tmp_path / 'data' / 'images').iterdir():
        image.write_bytes(image.read_bytes()[:1000])
    with pytest.raises(SystemExit, match=r'^error: cannot read .*\.png: .*verify_files'):
        run_tool('train.py', toy_config, options=(f'train_dataloader.num_workers={workers}',))


def test_an_error_that_nobody_foresaw_keeps_its_traceback(toy_config, run_tool):
    with pytest.raises(TypeError, match='nonsense'):
        run_tool('train.py', toy_config, options=('model.decode_head.nonsense=1',))

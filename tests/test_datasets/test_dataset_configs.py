from pathlib import Path

import pytest
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

CONFIGS = Path(__file__).parents[2] / 'configs'
FOLDER = CONFIGS / '_base_/datasets'
SETS = {
    'ade20k_512x512': ('ade20k_sample', (512, 512)),
    'camvid_480x352': ('camvid', (352, 480)),
    '../../seg_s14_448x336_camvid': ('camvid', (336, 448)),
    'ccp_384x576': ('ccp', (576, 384)),
    'digit_scenes_128x128': (None, (128, 128)),
}


def load(name: str, root: Path, **loader) -> Config:
    config = Config.fromfile(FOLDER / f'{name}.py')
    for key in ('train_dataloader', 'val_dataloader'):
        config[key].update(loader)
        config[key].dataset.data_root = str(root)
        if name.startswith('ade'):  # three validation pairs are all that there is
            config[key].dataset.data_prefix = dict(img_path='images/validation', seg_map_path='annotations/validation')
        if name.startswith('digit'):
            config[key].dataset.build = dict(train=2, val=2, size=128)
    return config


def test_the_configs_are_there():
    assert all((FOLDER / f'{name}.py').is_file() for name in SETS)


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize('name', SETS)
def test_batches_have_the_size_of_the_name(name, workers, tmp_path, request):
    folder, size = SETS[name]
    root = request.getfixturevalue('real_data') / folder if folder else tmp_path / 'digit_scenes'
    init_default_scope('mmseg')
    config = load(name, root, num_workers=workers, batch_size=2)
    assert config.crop_size == size
    train = next(iter(Runner.build_dataloader(config.train_dataloader, seed=0)))
    for inputs, sample in zip(train['inputs'], train['data_samples'], strict=True):
        assert tuple(inputs.shape[1:]) == sample.gt_sem_seg.shape
        if name.startswith('ade'):  # shrunken pictures are padded by the model's preprocessor
            assert all(got <= wanted for got, wanted in zip(inputs.shape[1:], size, strict=True))
        else:
            assert tuple(inputs.shape[1:]) == size
    val = next(iter(Runner.build_dataloader(config.val_dataloader, seed=0)))
    for inputs, sample in zip(val['inputs'], val['data_samples'], strict=True):
        assert sample.gt_sem_seg.shape == sample.ori_shape
        assert min(inputs.shape[1:]) == 512 if name.startswith('ade') else tuple(inputs.shape[1:]) == size


def test_camvid_sizes_differ_in_nothing_but_the_size():
    large = Config.fromfile(FOLDER / 'camvid_480x352.py').to_dict()
    small = Config.fromfile(CONFIGS / 'seg_s14_448x336_camvid.py')
    text = (
        str({name: small[name] for name in large}).replace('(448, 336)', '(480, 352)', 99).replace('(336, 448)', '(352, 480)')
    )
    assert text.count('(480, 352)') == str(large).count('(480, 352)') + str(large).count('(480, 360)')
    assert text.replace('(480, 352)', '(480, 360)') == str(large).replace('(480, 352)', '(480, 360)')

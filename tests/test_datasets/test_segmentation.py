import numpy as np
import pytest
from PIL import Image

from msvit.datasets import CamVidDataset, CCPDataset, DigitScenesDataset


@pytest.mark.parametrize('kind, classes', [(CamVidDataset, 11), (DigitScenesDataset, 11), (CCPDataset, 17)])
def test_each_class_has_its_own_colour(kind, classes):
    assert len(kind.METAINFO['classes']) == len({tuple(colour) for colour in kind.METAINFO['palette']}) == classes


def test_digit_scenes_are_read_as_written(digit_root, build_dataset):
    dataset = build_dataset('msvit.DigitScenesDataset', digit_root, 'val')
    assert len(dataset) == 6
    label = dataset[4]['data_samples'].gt_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(label, np.array(Image.open(digit_root / 'annotations/val/000004.png')))


def test_digit_scenes_are_built_where_missing(tmp_path, build_dataset):
    build = dict(train=3, val=2, size=64)
    for split, count in (('train', 3), ('val', 2)):
        assert len(build_dataset('msvit.DigitScenesDataset', tmp_path / 'new', split, build=build)) == count
    with pytest.raises(ValueError, match='other settings'):
        build_dataset('msvit.DigitScenesDataset', tmp_path / 'new', build=dict(build, seed=1))


def test_digit_scenes_without_manifest_are_incomplete(tmp_path, build_dataset):
    (tmp_path / 'images/train').mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r'incomplete.*manifest\.json'):
        build_dataset('msvit.DigitScenesDataset', tmp_path)


@pytest.mark.parametrize(
    'kind, way_out',
    [
        ('msvit.ADE20KDataset', r'images/\{training,validation\}.*unzip ADEChallengeData2016\.zip'),
        ('msvit.CamVidDataset', r'images/\{train,val,test\}.*tools/dataset_converters/camvid\.py'),
        ('msvit.CCPDataset', r'images/\{train,val\}.*github\.com/bearpaw/clothing-co-parsing'),
        ('msvit.DigitScenesDataset', r'images/\{train,val\}.*tools/dataset_converters/digit_scenes\.py'),
    ],
)
def test_a_missing_root_names_layout_and_way_out(tmp_path, build_dataset, kind, way_out):
    with pytest.raises(FileNotFoundError, match=rf'(?s)nowhere/images/train .*does not exist.*{way_out}'):
        build_dataset(kind, tmp_path / 'nowhere')


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_camvid_finds_its_image_suffix(tmp_path, build_dataset, suffix):
    for folder, end in (('images', suffix), ('annotations', '.png')):
        (tmp_path / folder / 'train').mkdir(parents=True)
        Image.new('RGB' if folder == 'images' else 'L', (32, 32)).save(tmp_path / folder / 'train' / f'a{end}')
    assert len(build_dataset('msvit.CamVidDataset', tmp_path)) == 1
    with pytest.raises(FileNotFoundError, match=r'holds no \*\.bmp file'):
        build_dataset('msvit.CamVidDataset', tmp_path, img_suffix='.bmp')


@pytest.mark.parametrize('split, count', [('train', 367), ('val', 101)])
def test_real_camvid(real_data, build_dataset, split, count):
    dataset = build_dataset('msvit.CamVidDataset', real_data / 'camvid', split)
    assert len(dataset) == count
    sample = dataset[0]
    assert tuple(sample['inputs'].shape) == (3, 360, 480)
    assert set(np.unique(sample['data_samples'].gt_sem_seg.data)) <= {*range(11), 255}


@pytest.mark.parametrize('split, count', [('train', 703), ('val', 101)])
def test_real_clothes(real_data, build_dataset, split, count):
    dataset = build_dataset('msvit.CCPDataset', real_data / 'ccp', split)
    assert len(dataset) == count
    sample = dataset[0]
    assert tuple(sample['inputs'].shape[1:]) == sample['data_samples'].gt_sem_seg.shape
    assert set(np.unique(sample['data_samples'].gt_sem_seg.data)) <= {*range(17), 255}


def test_real_ade20k_reduces_the_zero_label(real_data, build_dataset):
    dataset = build_dataset('msvit.ADE20KDataset', real_data / 'ade20k_sample', 'validation', reduce_zero_label=True)
    assert len(dataset) == 3
    for index in range(3):
        raw = np.array(Image.open(dataset.get_data_info(index)['seg_map_path'])).astype(int)
        label = dataset[index]['data_samples'].gt_sem_seg.data[0].numpy()
        np.testing.assert_array_equal(label, np.where(raw == 0, 255, raw - 1))

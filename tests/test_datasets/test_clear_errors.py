import shutil

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader


@pytest.fixture
def root(digit_root, tmp_path):
    """A copy of DigitScenes that a test may damage."""
    return shutil.copytree(digit_root, tmp_path / 'data')


@pytest.mark.parametrize('keep', [0, 100, 0.5, 0.8])
@pytest.mark.parametrize('file', ['images/train/000001.jpg', 'annotations/train/000001.png'])
def test_a_truncated_file_is_named(root, build_dataset, file, keep):
    content = (root / file).read_bytes()
    (root / file).write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    dataset = build_dataset('msvit.DigitScenesDataset', root)
    dataset[0]
    with pytest.raises(OSError, match=rf'cannot read .*{file}: .*verify_files\.py .*data'):
        dataset[1]


def test_a_missing_annotation_is_named(root, build_dataset):
    dataset = build_dataset('msvit.DigitScenesDataset', root)  # which looks whether all are there
    (root / 'annotations/train/000002.png').unlink()
    with pytest.raises(OSError, match=r'annotations/train/000002\.png: the file does not exist'):
        dataset[2]


def test_the_file_is_named_from_a_worker_process_too(root, build_dataset):
    (root / 'images/train/000001.jpg').write_bytes(b'no image')
    loader = DataLoader(build_dataset('msvit.DigitScenesDataset', root), num_workers=1, collate_fn=list)
    with pytest.raises(OSError, match=r'cannot read .*images/train/000001\.jpg'):
        list(loader)


@pytest.mark.parametrize('kind, zero, highest', [('msvit.DigitScenesDataset', False, 10), ('msvit.ADE20KDataset', True, 150)])
def test_values_that_are_no_class_are_named(root, build_dataset, kind, zero, highest):
    file = root / 'annotations/train/000001.png'
    dataset = build_dataset(kind, root, reduce_zero_label=zero)
    labels = np.array(Image.open(file))
    labels[0, :2] = highest, 255
    Image.fromarray(labels).save(file)
    dataset[1]  # the last class and the ignored value are fine
    labels[0, 2:4] = highest + 1, 200
    Image.fromarray(labels).save(file)
    classes = 150 if zero else 11
    with pytest.raises(
        ValueError, match=rf'000001\.png holds the values {highest + 1}, 200; with num_classes={classes}.*wrong number'
    ):
        dataset[1]


def test_a_coloured_annotation_is_named(root, build_dataset):
    file = root / 'annotations/train/000001.png'
    Image.open(file).convert('RGB').save(file)
    with pytest.raises(ValueError, match=r'000001\.png has 3 channels.*colour'):
        build_dataset('msvit.DigitScenesDataset', root)[1]


def test_a_choice_of_classes_works_and_foreign_values_are_found(root, build_dataset):
    metainfo = dict(classes=('background', '3', '7'))
    dataset = build_dataset('msvit.DigitScenesDataset', root, metainfo=metainfo)
    seen = np.unique(np.concatenate([np.unique(sample['data_samples'].gt_sem_seg.data) for sample in dataset]))
    assert set(seen) <= {0, 1, 2, 255} and {0, 255} <= set(seen)
    file = root / 'annotations/train/000001.png'
    Image.fromarray(np.full((64, 64), 77, dtype=np.uint8)).save(file)
    with pytest.raises(ValueError, match='holds the values 77; with num_classes=11'):
        dataset[1]


def test_other_errors_of_the_pipeline_stay_themselves(root, build_dataset):
    dataset = build_dataset('msvit.DigitScenesDataset', root)
    dataset.pipeline = lambda info: {}['a bug']
    with pytest.raises(KeyError, match='a bug'):
        dataset[0]


def test_own_data_through_seg_dataset(root, build_dataset):
    metainfo = dict(classes=('ground', 'first'), palette=[[0, 0, 0], [255, 255, 255]])
    dataset = build_dataset('msvit.SegDataset', root, metainfo=metainfo)
    with pytest.raises(ValueError, match='with num_classes=2'):
        list(dataset)
    with pytest.raises(FileNotFoundError, match='(?s)SegDataset.*Expected layout'):
        build_dataset('msvit.SegDataset', root, 'test', metainfo=metainfo)

import pytest
from PIL import Image

from msvit.datasets import ImageNetSamplesDataset


def test_the_name_tells_the_class(tmp_path):
    for name in ('0985_n11939491_daisy.jpg', '007_n01514668_cock.jpg'):
        Image.new('RGB', (8, 8)).save(tmp_path / name)
    data = ImageNetSamplesDataset(data_root=str(tmp_path))
    assert [data.get_data_info(i)['gt_label'] for i in range(2)] == [7, 985]
    assert data.metainfo['classes'][985] == 'daisy'


@pytest.mark.parametrize('name', ['daisy.jpg', '1000_none.jpg', '-1_none.jpg'])
def test_names_without_a_class_are_errors(tmp_path, name):
    Image.new('RGB', (8, 8)).save(tmp_path / name)
    with pytest.raises(ValueError, match='begins with no index of an ImageNet class'):
        ImageNetSamplesDataset(data_root=str(tmp_path))


def test_folders_without_images(tmp_path):
    with pytest.raises(FileNotFoundError, match='holds no'):
        ImageNetSamplesDataset(data_root=str(tmp_path))
    with pytest.raises(FileNotFoundError, match='does not exist'):
        ImageNetSamplesDataset(data_root=str(tmp_path / 'nowhere'))

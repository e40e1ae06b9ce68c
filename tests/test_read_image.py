"""Image files of every kind come out upright, in 8-bit RGB."""

import numpy as np
import pytest
from PIL import Image

from msvit.images import read_rgb

GRADIENT = np.arange(0, 240, 2, dtype=np.uint8).reshape(10, 12)


def test_colours_and_channels_keep_their_order(tmp_path):
    pixels = np.stack([GRADIENT, GRADIENT[::-1], GRADIENT // 3], axis=-1)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    assert (read_rgb(tmp_path / 'a.png') == pixels).all()


@pytest.mark.parametrize('mode', ['L', 'P', 'LA', '1', 'CMYK'])
def test_other_modes_become_rgb(tmp_path, mode):
    file = tmp_path / ('a.tif' if mode == 'CMYK' else 'a.png')
    image = Image.fromarray(GRADIENT).convert('RGB').convert(mode)
    image.save(file)
    assert Image.open(file).mode == mode
    picture = read_rgb(file)
    assert picture.shape == (10, 12, 3) and picture.dtype == np.uint8
    assert np.abs(picture[..., 1].astype(int) - np.asarray(image.convert('L'))).max() <= 1


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, suffix):
    file = tmp_path / f'a.{suffix}'
    Image.fromarray(GRADIENT.astype(np.uint16) * 257).save(file)
    assert Image.open(file).mode.startswith('I')
    assert (read_rgb(file) == GRADIENT[..., None]).all()


def test_transparency_is_laid_on_white(tmp_path):
    pixels = np.zeros((2, 2, 4), dtype=np.uint8)
    pixels[0, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    assert read_rgb(tmp_path / 'a.png')[:, 0, 0].tolist() == [0, 255]


def test_the_exif_tag_turns_the_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a turn by 90 degrees clockwise
    Image.fromarray(GRADIENT).save(tmp_path / 'a.png', exif=exif)
    assert (read_rgb(tmp_path / 'a.png')[..., 0] == np.rot90(GRADIENT, -1)).all()


@pytest.mark.parametrize('content', [b'', b'no image', b'\x89PNG\r\n\x1a\n' + bytes(40)])
def test_foreign_files_are_named(tmp_path, content):
    (tmp_path / 'a.png').write_bytes(content)
    with pytest.raises(ValueError, match=r'a\.png cannot be read'):
        read_rgb(tmp_path / 'a.png')


def test_a_truncated_file_is_named(tmp_path):
    file = tmp_path / 'a.jpg'
    Image.effect_noise((64, 64), 50).save(file)
    file.write_bytes(file.read_bytes()[:-900])
    with pytest.raises(ValueError, match='truncated'):
        read_rgb(file)


def test_pixels_without_a_known_range_are_refused(tmp_path):
    Image.fromarray(GRADIENT.astype(np.float32)).save(tmp_path / 'a.tif')
    with pytest.raises(ValueError, match='convert it to 8 or 16 bits'):
        read_rgb(tmp_path / 'a.tif')

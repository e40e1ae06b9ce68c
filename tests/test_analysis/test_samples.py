"""Every kind of image file becomes the input that the network should get, or is left out with its reason."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from msvit.analysis.input_limit import check_input
from msvit.analysis.model import AnalysedModel
from msvit.analysis.samples import DatasetSamples, FileSamples, Sample, inputs_for

BACKBONE = dict(
    type='msvit.MSViT',
    arch=dict(embed_dim=8, depth=1, num_heads=1, patch_size=8),
    img_size=32,
    coarse_patch_size=16,
    gate=dict(type='msvit.MLPGate', hidden_dims=(4,)),
)
MEAN, STD = (120.0, 110.0, 100.0), (60.0, 50.0, 40.0)  # three values each: a mistaken channel order shows
RED = (200, 40, 10)


def segmentor(**settings) -> Config:
    return Config(
        dict(
            default_scope='mmseg',
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', mean=MEAN, std=STD, bgr_to_rgb=True, **settings),
                backbone=dict(**BACKBONE, out_type='featmap'),
                decode_head=dict(
                    type='FCNHead', in_channels=8, in_index=0, channels=4, num_convs=1, num_classes=3, norm_cfg=dict(type='BN')
                ),
                test_cfg=dict(mode='whole'),
            ),
            test_dataloader=dict(
                dataset=dict(
                    type='BaseSegDataset',
                    pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')],
                )
            ),
        )
    )


def classifier(steps=(dict(type='LoadImageFromFile'),), to_rgb: bool = True, **dataset) -> Config:
    return Config(
        dict(
            default_scope='mmpretrain',
            data_preprocessor=dict(mean=MEAN, std=STD, to_rgb=to_rgb, num_classes=2),
            model=dict(
                type='ImageClassifier',
                backbone=dict(**BACKBONE, out_type='cls_token'),
                head=dict(type='LinearClsHead', in_channels=8, num_classes=2),
            ),
            test_dataloader=dict(
                dataset=dict(type='msvit.ImageFolderDataset', pipeline=[*steps, dict(type='PackInputs')], **dataset)
            ),
        )
    )


def _animated(path: Path) -> None:
    first, second = (Image.new('RGB', (40, 24), colour) for colour in (RED, (0, 0, 255)))
    first.save(path, save_all=True, append_images=[second])


def _turned(path: Path) -> None:
    pixels = np.zeros((24, 40, 3), dtype=np.uint8)
    pixels[:, 20:] = RED
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a turn by 90 degrees clockwise
    Image.fromarray(pixels).save(path, exif=exif, quality=95)


def _palette(path: Path) -> None:
    image = Image.new('P', (40, 24), 1)
    image.putpalette([0, 0, 0, *RED])
    image.paste(0, (0, 0, 20, 24))
    image.save(path, transparency=0)


def _split(path: Path, mode: str, left, right) -> None:
    image = Image.new(mode, (40, 24), right)
    image.paste(left, (0, 0, 20, 24))
    image.save(path)


WHITE, BLACK, GREY = (255,) * 3, (0,) * 3, (102,) * 3
# How each kind is made, its (height, width), and what it shows in its first and in its last pixel.
KINDS: dict[str, tuple[Callable[[Path], None], tuple[int, int], tuple[int, ...], tuple[int, ...]]] = {
    'grey.png': (lambda path: _split(path, 'L', 0, 102), (24, 40), BLACK, GREY),
    'bits.png': (lambda path: _split(path, '1', 0, 1), (24, 40), BLACK, WHITE),
    'palette.png': (_palette, (24, 40), WHITE, RED),
    'rgba.png': (lambda path: _split(path, 'RGBA', (0, 0, 0, 0), (*RED, 255)), (24, 40), WHITE, RED),
    'la.png': (lambda path: _split(path, 'LA', (0, 0), (102, 255)), (24, 40), WHITE, GREY),
    'deep.png': (lambda path: _split(path, 'I;16', 0, 102 * 257), (24, 40), BLACK, GREY),
    'cmyk.jpg': (lambda path: _split(path, 'CMYK', (0, 0, 0, 255), (0, 0, 0, 153)), (24, 40), BLACK, GREY),
    'turned.jpg': (_turned, (40, 24), BLACK, RED),
    'animated.gif': (_animated, (24, 40), RED, RED),
    'pixel.png': (lambda path: Image.new('RGB', (1, 1), RED).save(path), (1, 1), RED, RED),
    'tiny.png': (lambda path: Image.new('RGB', (7, 5), RED).save(path), (5, 7), RED, RED),
    'photo.jpg': (lambda path: Image.new('RGB', (8000, 6000), RED).save(path), (48, 64), RED, RED),
    'strip.png': (lambda path: Image.new('RGB', (8000, 40), RED).save(path), (1, 64), RED, RED),
}


@pytest.fixture
def segments() -> AnalysedModel:
    return AnalysedModel(segmentor())


@pytest.fixture
def classifies() -> AnalysedModel:
    return AnalysedModel(classifier())


def only(samples: FileSamples) -> Sample:
    (sample,) = samples
    assert samples.left_out == []
    return sample


def normalised(colour: tuple[int, ...]) -> torch.Tensor:
    return (torch.tensor(colour) - torch.tensor(MEAN)) / torch.tensor(STD)


@pytest.mark.parametrize('kind', KINDS)
def test_a_segmentor_gets_every_kind_at_its_size(segments, tmp_path, kind):
    make, shape, first, last = KINDS[kind]
    make(tmp_path / kind)
    sample = only(FileSamples(segments, [tmp_path / kind], max_side=64))
    assert sample.image.shape == (*shape, 3) and sample.image.dtype == np.uint8
    assert sample.inputs.shape == (1, 3, *shape)
    for y, x, colour in ((0, 0, first), (-1, -1, last)):
        assert np.abs(sample.image[y, x].astype(int) - colour).max() <= 3  # JPEG
        assert (sample.inputs[0, :, y, x] - normalised(colour)).abs().max() < 0.1
    assert sample.note == (f'8000x{6000 if kind == "photo.jpg" else 40} shrunk to 64x{shape[0]}' if 64 in shape else '')
    assert segments.predict(sample.inputs).shape == shape


@pytest.mark.parametrize('kind', KINDS)
def test_a_classifier_gets_the_middle_of_every_kind(classifies, tmp_path, kind):
    make, shape, _, last = KINDS[kind]
    make(tmp_path / kind)
    sample = only(FileSamples(classifies, [tmp_path / kind]))
    assert sample.image.shape == (32, 32, 3) and sample.inputs.shape == (1, 3, 32, 32)
    assert np.abs(sample.image[-1, -1].astype(int) - last).max() <= 3
    assert (sample.inputs[0, :, -1, -1] - normalised(last)).abs().max() < 0.1
    assert classifies.predict(sample.inputs).sum() == pytest.approx(1)


def _damaged(path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(path, 'JPEG')
    path.write_bytes(path.read_bytes()[:900])


@pytest.mark.parametrize('damage', [_damaged, lambda path: path.write_text('no image'), lambda path: path.touch()])
def test_the_run_goes_on_without_unreadable_files(segments, tmp_path, damage):
    damage(tmp_path / 'bad.png')
    Image.new('RGB', (16, 16)).save(tmp_path / 'good.png')
    samples = FileSamples(segments, [tmp_path / 'bad.png', tmp_path / 'good.png'])
    assert [sample.name for sample in samples] == [str(tmp_path / 'good.png')]
    (one,) = samples.left_out
    assert one['file'] == str(tmp_path / 'bad.png') and 'bad.png cannot be read' in one['reason']


def test_a_pipeline_that_cannot_shrink_a_strip_is_no_crash(tmp_path):
    cfg = segmentor()
    cfg.test_dataloader.dataset.pipeline.insert(1, dict(type='Resize', scale=(48, 32), keep_ratio=True))
    KINDS['strip.png'][0](tmp_path / 'strip.png')
    samples = FileSamples(AnalysedModel(cfg), [tmp_path / 'strip.png'])
    assert list(samples) == []
    assert 'the test pipeline cannot take 5x1024 pixels' in samples.left_out[0]['reason']


def test_a_photograph_is_averaged_not_sampled(classifies, tmp_path):
    pixels = np.zeros((640, 640, 3), dtype=np.uint8)
    pixels[9::20] = pixels[10::20] = 255  # a tenth, just where OpenCV would look
    Image.fromarray(pixels).save(tmp_path / 'lines.png')
    image = only(FileSamples(classifies, [tmp_path / 'lines.png'])).image.astype(int)
    assert np.abs(image - 25.5).max() < 40


@pytest.fixture
def folder(tmp_path) -> Path:
    """A data set of two classes: a red image, and noise."""
    rng = np.random.default_rng(0)
    for name, pixels in (('a', np.full((32, 32, 3), RED)), ('b', rng.integers(0, 256, (32, 32, 3)))):
        (tmp_path / 'data' / name).mkdir(parents=True)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / 'data' / name / '0.png')
    return tmp_path / 'data'


@pytest.mark.parametrize('to_rgb', [True, False])
def test_a_file_and_the_data_set_give_the_same_input(folder, to_rgb):
    model = AnalysedModel(classifier(to_rgb=to_rgb, data_root=str(folder)))
    from_data = list(DatasetSamples(model))
    from_files = list(FileSamples(model, [folder / 'a' / '0.png', folder / 'b' / '0.png']))
    assert [sample.label for sample in from_data] == [0, 1]
    for one, other, source in zip(from_data, from_files, 'ab', strict=True):
        assert torch.equal(one.inputs, other.inputs)
        assert (one.image == other.image).all() and (one.image == np.asarray(Image.open(folder / source / '0.png'))).all()
    assert torch.allclose(from_data[0].inputs[0, :, 0, 0], normalised(RED if to_rgb else RED[::-1]))


def test_a_pipeline_that_normalises_itself(folder):
    cfg = classifier(
        [dict(type='LoadImageFromFile'), dict(type='mmcv.Normalize', mean=MEAN, std=STD, to_rgb=True)], data_root=str(folder)
    )
    cfg.data_preprocessor = dict(type='ClsDataPreprocessor', mean=None, std=None, to_rgb=False)
    model = AnalysedModel(cfg)
    for samples in (DatasetSamples(model), FileSamples(model, [folder / 'a' / '0.png', folder / 'b' / '0.png'])):
        red, noise = samples
        assert torch.allclose(red.inputs[0, :, 0, 0], normalised(RED)) and (red.image == RED).all()
        assert (noise.image == np.asarray(Image.open(folder / 'b' / '0.png'))).all()


def test_arrays_in_memory_are_rgb_already(tmp_path):
    """As in mmpretrain's CIFAR data sets, whose pipelines load nothing and whose configs turn nothing."""
    model = AnalysedModel(classifier([], to_rgb=False))
    Image.new('RGB', (32, 32), RED).save(tmp_path / 'red.png')
    sample = only(FileSamples(model, [tmp_path / 'red.png']))
    assert torch.allclose(sample.inputs[0, :, 0, 0], normalised(RED)) and (sample.image == RED).all()


def test_padding_is_not_shown(tmp_path):
    model = AnalysedModel(segmentor(test_cfg=dict(size_divisor=32)))
    Image.new('RGB', (40, 24), RED).save(tmp_path / 'red.png')
    sample = only(FileSamples(model, [tmp_path / 'red.png']))
    assert sample.inputs.shape == (1, 3, 32, 64) and sample.image.shape == (24, 40, 3)
    p_fine, fine_mask = model.decide(sample.inputs, sample.image.shape[:2])
    assert p_fine.shape == fine_mask.shape == (2, 3)


@pytest.mark.parametrize('to_rgb', [True, False])
def test_another_model_gets_its_own_normalisation(folder, classifies, to_rgb):
    cfg = classifier(to_rgb=to_rgb)
    cfg.data_preprocessor.update(mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    other = AnalysedModel(cfg)
    sample = only(FileSamples(classifies, [folder / 'b' / '0.png']))
    expected = only(FileSamples(other, [folder / 'b' / '0.png'])).inputs
    assert torch.allclose(inputs_for(other, sample, classifies), expected, atol=1e-5)
    assert inputs_for(classifies, sample, classifies) is sample.inputs


def test_what_takes_a_cpu_many_minutes_is_refused(segments):
    inputs = torch.zeros(1).expand(1, 3, 9000, 6000)
    tokens = 9000 * 6000 // 64
    macs = round(2 * 8 * tokens**2 / 1e12)  # attention of width 8; the rest is less than a tenth of it
    with pytest.raises(
        ValueError, match=f'9000x6000 pixels make up to {tokens} tokens and {macs} TMACs .*--max-side.* sliding'
    ):
        check_input(segments, inputs)
    windows = segmentor()
    windows.model.test_cfg = dict(mode='slide', crop_size=(32, 32), stride=(32, 32))
    check_input(AnalysedModel(windows), inputs)
    check_input(segments, inputs[..., :2048, :2048])

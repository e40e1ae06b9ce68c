"""RaggedEncoderDecoder against mmseg's EncoderDecoder with the same weights."""

from copy import deepcopy

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.models import EncoderDecoder, SegTTAModel
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from msvit.backbones import TokenTrace
from msvit.hosts import RaggedEncoderDecoder
from msvit.hosts.encoder_decoder import _class_groups, grouped_argmax

pytestmark = pytest.mark.filterwarnings('ignore:When align_corners=True:UserWarning')

CLASSES = 37  # three groups
SLIDE = dict(mode='slide', crop_size=(32, 40), stride=(24, 30))
WHOLE = dict(mode='whole')
BACKBONE = dict(
    type='msvit.MSViT', arch=dict(embed_dim=32, depth=2, num_heads=2, patch_size=8), img_size=32, coarse_patch_size=16
)
GATE = dict(type='msvit.MLPGate', hidden_dims=(8,), init_p_fine=0.5)
SEGMENTER = dict(type='msvit.MixedScaleSegmenterHead', num_layers=1, num_heads=2, embed_dims=32)
HEADS = {
    'segmenter': ({**BACKBONE, 'gate': GATE, 'out_type': 'tokens'}, SEGMENTER),
    'fcn': (BACKBONE, dict(type='FCNHead', num_convs=1)),
    'binary': (BACKBONE, dict(type='FCNHead', num_convs=1, num_classes=2, out_channels=1, threshold=0.6)),
    'own predict': (BACKBONE, dict(type='EncHead', num_codes=4, use_se_loss=True, in_channels=[32], in_index=[0])),
}


@pytest.fixture
def build(perturb):
    """Makes (mmseg's, ours) with the same weights, in evaluation mode."""

    def _build(head='segmenter', test_cfg=SLIDE, dtype=torch.float64, num_classes=CLASSES, align_corners=False, **kwargs):
        backbone, own = HEADS[head]
        sizes = dict(in_channels=32, channels=32, in_index=0, num_classes=num_classes, align_corners=align_corners)
        preprocessor = dict(type='mmseg.SegDataPreProcessor')
        config = dict(backbone=backbone, decode_head={**sizes, **own}, test_cfg=test_cfg, data_preprocessor=preprocessor)
        torch.manual_seed(0)
        theirs = MODELS.build(ConfigDict(type='EncoderDecoder', **config))
        ours = MODELS.build(ConfigDict(type='msvit.RaggedEncoderDecoder', **config, **kwargs))
        perturb(theirs)
        ours.load_state_dict(theirs.state_dict())
        return theirs.to(dtype).eval(), ours.to(dtype).eval()

    return _build


def images_of(*size: int, batch: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    """Noise with larger and smaller structures, so that the gate decides both ways."""
    generator = torch.Generator().manual_seed(size[0])
    noise = [torch.randn(batch, 3, -(-size[0] // n), -(-size[1] // n), generator=generator, dtype=dtype) for n in (1, 12)]
    return noise[0] + 2 * torch.nn.functional.interpolate(noise[1], scale_factor=12)[..., : size[0], : size[1]]


def samples_of(images: Tensor, **meta) -> list[SegDataSample]:
    size = tuple(images.shape[2:])
    return [SegDataSample(metainfo=dict(img_shape=size, ori_shape=size, **meta)) for _ in images]


@torch.no_grad()
def labels_of(model: EncoderDecoder, images: Tensor, samples: list[SegDataSample] | None) -> list[Tensor]:
    return [sample.pred_sem_seg.data for sample in model.predict(images, deepcopy(samples))]


def assert_same_labels(actual: list[Tensor], expected: list[Tensor]) -> None:
    assert len(torch.cat([labels.flatten() for labels in expected]).unique()) > 1, 'a case that proves nothing'
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize('size', [(64, 80), (50, 71), (24, 21), (20, 75), (32, 40)], ids=str)
@pytest.mark.parametrize('batch', [1, 2])
@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
@pytest.mark.parametrize('head', HEADS)
def test_labels_of_all_sizes_are_mmsegs(head, test_cfg, align_corners, batch, size, build):
    theirs, ours = build(head, test_cfg, align_corners=align_corners)
    images = images_of(*size, batch=batch)
    samples = samples_of(images)
    for i, sample in enumerate(samples):
        sample.set_metainfo(dict(ori_shape=(size[0] + 23 * i, size[1] + 9)))
    assert_same_labels(labels_of(ours, images, samples), labels_of(theirs, images, samples))


METAS = {
    'smaller file': dict(ori_shape=(31, 90)),
    'right and bottom padding': dict(padding_size=(0, 7, 0, 9)),
    'padding on all sides': dict(padding_size=[1, 2, 3, 4], ori_shape=(60, 60)),
    'padding of the preprocessor': dict(padding_size=[9, 9, 9, 9], img_padding_size=(0, 5, 0, 3), pad_shape=(50, 71)),
    'horizontal flip': dict(flip=True, flip_direction='horizontal'),
    'vertical flip': dict(flip=True, flip_direction='vertical', ori_shape=(77, 61)),
    'padding and flip': dict(flip=True, flip_direction='vertical', padding_size=(3, 0, 0, 11)),
    'no flip': dict(flip=False, flip_direction=None),
}


@pytest.mark.parametrize('meta', METAS.values(), ids=METAS)
@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
@pytest.mark.parametrize('head', ['segmenter', 'fcn'])
def test_labels_of_all_metainfo_are_mmsegs(head, test_cfg, meta, build):
    theirs, ours = build(head, test_cfg)
    images = images_of(50, 71)
    samples = samples_of(images)
    samples[0].set_metainfo(meta)
    assert_same_labels(labels_of(ours, images, samples), labels_of(theirs, images, samples))


@pytest.mark.parametrize('num_classes', [2, 3, 16, 17, 19, 20, 32, 35, 150])
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_groups_of_classes_are_rounded_as_all_together(memory_format, num_classes):
    scores = torch.randn(1, num_classes, 12, 15, generator=torch.Generator().manual_seed(0))
    scores = scores.contiguous(memory_format=memory_format)

    def enlarge(scores: Tensor) -> Tensor:
        return resize(resize(scores, (96, 120), mode='bilinear'), (151, 133), mode='bilinear')

    assert torch.equal(torch.cat([enlarge(group) for group in _class_groups(scores)], dim=1), enlarge(scores))


@pytest.mark.parametrize('num_classes', [2, 16, 17, 150])
@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
@pytest.mark.parametrize('head', ['segmenter', 'fcn'])
def test_even_in_single_precision_labels_are_mmsegs(head, test_cfg, num_classes, build):
    """Where the backbone runs on the same batches, each score is the same number."""
    theirs, ours = build(head, test_cfg, torch.float32, num_classes, max_windows=2)
    images = images_of(90, 120, dtype=torch.float32)
    samples = samples_of(images)
    samples[0].set_metainfo(dict(ori_shape=(151, 133), padding_size=(2, 3, 0, 5)))
    assert_same_labels(labels_of(ours, images, samples), labels_of(theirs, images, samples))


@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
def test_without_data_samples(test_cfg, build):
    theirs, ours = build(test_cfg=test_cfg)
    images = images_of(50, 71)
    assert_same_labels(labels_of(ours, images, None), labels_of(theirs, images, None))


@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
@pytest.mark.parametrize('head', HEADS)
def test_logits_on_demand_are_mmsegs(head, test_cfg, build, assert_relative):
    theirs, ours = build(head, test_cfg, torch.float32, keep_logits=True)
    images = images_of(50, 71, dtype=torch.float32)
    samples = samples_of(images, padding_size=(0, 4, 0, 6))
    with torch.no_grad():
        results = zip(ours.predict(images, deepcopy(samples)), theirs.predict(images, deepcopy(samples)), strict=True)
    for actual, expected in results:
        assert_relative(actual.seg_logits.data, expected.seg_logits.data)


@pytest.mark.parametrize('head', HEADS)
def test_logits_are_not_stored_by_default(head, build):
    _, ours = build(head)
    for sample in ours.predict(images_of(32, 40)):
        assert sample.keys() == ['pred_sem_seg']


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('keep_logits', [False, True])
def test_metainfo_is_left_as_it_is(keep_logits, head, build):
    _, ours = build(head, keep_logits=keep_logits)
    images = images_of(50, 71)
    samples = samples_of(images, pad_shape=(50, 71), padding_size=[0, 0, 0, 0])
    before = [deepcopy(sample.metainfo) for sample in samples]
    assert ours.predict(images, samples) is samples
    metas = [sample.metainfo for sample in samples]
    ours.inference(images, metas)
    assert metas == before
    assert [type(meta['img_shape']) for meta in metas] == [tuple, tuple]


@pytest.mark.parametrize('head', HEADS)
def test_the_number_of_windows_at_once_does_not_matter(head, build):
    _, ours = build(head)
    images = images_of(50, 71)
    expected, logits = labels_of(ours, images, samples_of(images)), ours.slide_inference(images, [{}, {}])
    for max_windows in (1, 2, 5):
        ours.max_windows = max_windows
        assert_same_labels(labels_of(ours, images, samples_of(images)), expected)
        torch.testing.assert_close(ours.slide_inference(images, [{}, {}]), logits)


@pytest.mark.parametrize(('max_windows', 'batches'), [(None, [12]), (5, [5, 5, 2]), (1, [1] * 12)])
@pytest.mark.parametrize('keep_logits', [False, True])
def test_a_ragged_batch_holds_all_windows(keep_logits, max_windows, batches, build):
    """3 x 2 windows of 2 images; the counts come in the order of mmseg's loop, as TokenMetric expects them."""
    theirs, ours = build(max_windows=max_windows, keep_logits=keep_logits)
    images, trace = images_of(80, 70), TokenTrace()
    theirs.predict(images, samples_of(images))
    expected = torch.cat([record.counts for record in trace.drain()])
    ours.predict(images, samples_of(images))
    records = trace.drain()
    assert [len(record.counts) for record in records] == batches
    assert torch.equal(torch.cat([record.counts for record in records]), expected)
    assert len(expected.unique()) > 1


class LargestTensor(TorchDispatchMode):
    """Notes the most elements that a tensor had."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            self.numel = max(self.numel, tensor.numel() if isinstance(tensor, Tensor) else 0)
        return out


@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
@pytest.mark.parametrize('head', ['segmenter', 'fcn'])
def test_scores_never_have_full_size(head, test_cfg, build):
    images = images_of(64, 70)
    samples = samples_of(images)
    for sample in samples:
        sample.set_metainfo(dict(ori_shape=(256, 280)))
    largest = []
    for model in build(head, test_cfg, num_classes=150):
        with torch.no_grad(), LargestTensor() as mode:
            model.predict(images, deepcopy(samples))
        largest.append(mode.numel)
    theirs, ours = largest
    assert theirs >= 150 * 256 * 280
    assert ours < theirs / 5


@pytest.mark.parametrize('seed', range(8))
@pytest.mark.parametrize('levels', [1, 3, 1000])
@pytest.mark.parametrize('has_nan', [False, True])
def test_argmax_by_groups_is_argmax(has_nan, levels, seed):
    """Few levels make many ties."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(levels, (1, 41, 9, 7), generator=generator) - levels / 2
    if has_nan:
        scores[torch.rand(scores.shape, generator=generator) < 0.02] = torch.nan
    cuts = torch.randperm(40, generator=generator)[: seed // 2].add(1).sort().values.tolist()
    labels = grouped_argmax(scores.tensor_split(cuts, dim=1))
    assert labels.dtype == torch.int64
    assert torch.equal(labels, scores.argmax(dim=1))


def test_argmax_of_nothing():
    with pytest.raises(ValueError, match='at least one group'):
        grouped_argmax([])


def truth_of(samples: list[SegDataSample], num_classes: int) -> None:
    for seed, sample in enumerate(samples):
        generator = torch.Generator().manual_seed(seed)
        sample.gt_sem_seg = PixelData(data=torch.randint(num_classes, (1, *sample.ori_shape), generator=generator))


@pytest.mark.parametrize('head', ['segmenter', 'fcn'])
def test_training_and_tensor_mode_are_mmsegs(head, build):
    models, images = build(head), images_of(32, 40)
    samples = samples_of(images)
    truth_of(samples, CLASSES)
    logits = [model(images, mode='tensor') for model in models]
    assert torch.equal(*logits)
    gradients = []
    for model in models:
        torch.manual_seed(0)
        losses = model.train()(images, samples, mode='loss')
        model.parse_losses(losses)[0].backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    theirs, ours = gradients
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        assert torch.equal(ours[name], gradient), name


def raw_batch(images: Tensor, samples: list[SegDataSample]) -> dict:
    return dict(inputs=[image.clone() for image in images], data_samples=deepcopy(samples))


@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
def test_metric_and_visualizer_take_the_results(test_cfg, build, tmp_path):
    images = images_of(50, 71, dtype=torch.float32)
    samples = samples_of(images)
    truth_of(samples, CLASSES)
    figures, drawings = [], []
    for model in build(test_cfg=test_cfg, dtype=torch.float32):
        with torch.no_grad():
            results = model.test_step(raw_batch(images, samples))
        evaluator = Evaluator(IoUMetric())
        evaluator.dataset_meta = dict(classes=[str(i) for i in range(CLASSES)])
        evaluator.process(results)
        figures.append(evaluator.evaluate(2))
        visualizer = SegLocalVisualizer(vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path))
        visualizer.dataset_meta = dict(classes=[str(i) for i in range(CLASSES)], palette=[[i, i, i] for i in range(CLASSES)])
        visualizer.add_datasample('image', images[0].byte().permute(1, 2, 0).numpy().copy(), results[0], show=False)
        drawings.append(torch.from_numpy(visualizer.get_image()))
    assert figures[0] == figures[1]
    assert torch.equal(*drawings)


def test_time_augmentation_averages_kept_logits(build):
    images = images_of(50, 71, batch=1, dtype=torch.float32)
    batches = [raw_batch(images, samples_of(images, flip=False, img_path=''))]
    flipped = samples_of(images, flip=True, flip_direction='horizontal', img_path='')
    batches.append(raw_batch(images.flip(3), flipped))
    data = {key: [batch[key] for batch in batches] for key in batches[0]}
    labels = []
    for model in build('fcn', dtype=torch.float32, keep_logits=True):
        with torch.no_grad():
            labels.append([SegTTAModel(module=model).test_step(deepcopy(data))[0].pred_sem_seg.data])
    assert_same_labels(*labels)


@pytest.mark.parametrize('max_windows', [0, -1])
def test_no_windows_at_once_are_refused(max_windows, build):
    with pytest.raises(ValueError, match=f'max_windows must be None .* or at least 1, got {max_windows}'):
        build(max_windows=max_windows)


@pytest.mark.parametrize(
    ('test_cfg', 'meta', 'message'),
    [
        (dict(mode='tiles'), {}, "test_cfg.mode must be 'whole' or 'slide', got 'tiles'"),
        (dict(mode='slide', crop_size=(16, 16), stride=(16, 20)), {}, 'make the stride no larger than the crop'),
        (SLIDE, dict(flip=True, flip_direction='diagonal'), "flip_direction must be .*, got 'diagonal'"),
        (SLIDE, dict(flip=True), 'flip_direction must be .*, got None'),
    ],
)
def test_unusable_settings_are_refused(test_cfg, meta, message, build):
    _, ours = build(test_cfg=test_cfg)
    images = images_of(50, 71)
    with pytest.raises(ValueError, match=message):
        ours.predict(images, samples_of(images, **meta))


def test_found_in_the_registry(build):
    _, ours = build()
    assert type(ours) is RaggedEncoderDecoder
    assert isinstance(ours, EncoderDecoder)

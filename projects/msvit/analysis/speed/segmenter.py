"""Segmentation, image in, class scores out, one image at a time."""

from collections.abc import Iterator

import torch
from mmseg.structures import SegDataSample

from .models import mixed_segmenter, mixed_vit, mmseg_segmenter, segmenter_head
from .row import Row, Setting

SIZE, TOKENS = 512, 586


def segmenter_rows(setting: Setting) -> Iterator[Row]:
    """MSSeg-S against mmseg's Segmenter-S and against its own dense twin; then the decoder alone."""
    images = setting.images(1, 3, SIZE, SIZE)
    models = {
        'theirs': mmseg_segmenter(SIZE),
        'dense': mixed_segmenter(SIZE),
        'mixed': mixed_segmenter(SIZE, TOKENS),
    }
    models = {name: setting.place(model) for name, model in models.items()}
    runs = {name: lambda model=model: model(images, mode='tensor') for name, model in models.items()}
    measured = setting.measure(runs)
    name, ours = f'MSSeg-S, {SIZE} px, {TOKENS} tokens', "Seg-S on this project's blocks"
    theirs = "mmseg's Segmenter-S"
    yield measured.row('mixed', 'theirs', name, theirs, 2.2)
    yield measured.row('mixed', 'dense', name, ours, 1.85)
    yield measured.row('dense', 'theirs', ours, theirs)
    yield _decoder_row(setting)
    yield _sliding_row(setting)


def _decoder_row(setting: Setting) -> Row:
    theirs, ours = (
        setting.place(segmenter_head(name)) for name in ('mmseg.SegmenterMaskTransformerHead', 'msvit.MixedScaleSegmenterHead')
    )
    ours.load_state_dict(theirs.state_dict())
    with torch.inference_mode():
        tokens = setting.place(mixed_vit(SIZE, TOKENS))(setting.images(1, 3, SIZE, SIZE))
        features = (tokens[0].to_map(),)
        expected = theirs(features)
        error = ((ours(tokens) - expected).abs().max() / expected.abs().max()).item()
    runs = dict(theirs=lambda: theirs(features), ours=lambda: ours(tokens))
    name, baseline = f'mixed-scale decoder, {TOKENS} tokens', f"mmseg's decoder, {(SIZE // 16) ** 2} replicated"
    return setting.measure(runs).row('ours', 'theirs', name, baseline, 1.6, f'class scores equal to {error:.0e}')


def _sliding_row(setting: Setting) -> Row:
    """A photograph in overlapping windows, labels out."""
    height, width, kinds = SIZE, 683, dict(theirs='EncoderDecoder', ours='msvit.RaggedEncoderDecoder')
    windows = dict(mode='slide', crop_size=(SIZE, SIZE), stride=(480, 480))
    models = {name: setting.place(mixed_segmenter(SIZE, TOKENS, kind, **windows)) for name, kind in kinds.items()}
    models['ours'].load_state_dict(models['theirs'].state_dict())
    image = setting.images(1, 3, height, width)
    sample = SegDataSample(metainfo=dict(ori_shape=(375, 500), img_shape=(height, width), pad_shape=(height, width)))
    runs = {name: lambda model=model: model.predict(image, [sample.clone()]) for name, model in models.items()}
    with torch.inference_mode():
        labels = {name: run()[0].pred_sem_seg.data for name, run in runs.items()}
    agree = (labels['ours'] == labels['theirs']).float().mean().item()
    name, baseline = f'MSSeg-S, {height}x{width} photo in sliding windows, labels out', "the same in mmseg's EncoderDecoder"
    measured = setting.measure(runs, slow=True)
    return measured.row('ours', 'theirs', name, baseline, note=f'{agree:.2%} of the labels equal')

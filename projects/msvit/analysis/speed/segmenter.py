"""Segmentation, image in, class scores out, one image at a time."""

from collections.abc import Iterator
from functools import partial

import torch
from mmseg.structures import SegDataSample

from .models import mixed_segmenter, mixed_vit, mmseg_segmenter, segmenter_head
from .row import Row, Setting

SIZE, TOKENS = 512, 586


def segmenter_rows(setting: Setting) -> Iterator[Row]:
    """Measure MSSeg-S against mmseg's Segmenter-S and against its own dense twin; then the decoder alone."""
    images = setting.images(1, 3, SIZE, SIZE)
    name, ours, theirs = f'MSSeg-S, {SIZE} px, {TOKENS} tokens', "Seg-S on this project's blocks", "mmseg's Segmenter-S"
    models = {theirs: mmseg_segmenter(SIZE), ours: mixed_segmenter(SIZE), name: mixed_segmenter(SIZE, TOKENS)}
    runs = {key: partial(setting.place(model), images, mode='tensor') for key, model in models.items()}
    measured = setting.measure(runs)
    yield measured.row(name, theirs, 2.2)
    yield measured.row(name, ours, 1.85)
    yield measured.row(ours, theirs)
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
    name, baseline = f'mixed-scale decoder, {TOKENS} tokens', f"mmseg's decoder, {(SIZE // 16) ** 2} replicated"
    runs = {baseline: lambda: theirs(features), name: lambda: ours(tokens)}
    return setting.measure(runs).row(name, baseline, 1.6, f'class scores equal to {error:.0e}')


def _sliding_row(setting: Setting) -> Row:
    """A photograph in overlapping windows, labels out."""
    height, width, windows = SIZE, 683, dict(mode='slide', crop_size=(SIZE, SIZE), stride=(480, 480))
    name, baseline = f'MSSeg-S, {height}x{width} photo in sliding windows, labels out', "the same in mmseg's EncoderDecoder"
    kinds = {baseline: 'EncoderDecoder', name: 'msvit.RaggedEncoderDecoder'}
    models = {key: setting.place(mixed_segmenter(SIZE, TOKENS, kind, **windows)) for key, kind in kinds.items()}
    models[name].load_state_dict(models[baseline].state_dict())
    image = setting.images(1, 3, height, width)
    sample = SegDataSample(metainfo=dict(ori_shape=(375, 500), img_shape=(height, width), pad_shape=(height, width)))
    runs = {key: lambda model=model: model.predict(image, [sample.clone()]) for key, model in models.items()}
    with torch.inference_mode():
        theirs, ours = (run()[0].pred_sem_seg.get('data') for run in runs.values())
    agree = (ours == theirs).float().mean().item()
    return setting.measure(runs, slow=True).row(name, baseline, note=f'{agree:.2%} of the labels equal')

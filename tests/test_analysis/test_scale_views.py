"""What is seen of an image under a mixed-scale model, and how it is drawn."""

import base64
import re
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from msvit.analysis.classes import class_names, palette_of
from msvit.analysis.model import AnalysedModel
from msvit.analysis.samples import Sample
from msvit.analysis.scales.cells import Cell, Painter, elided, percent, plain_name
from msvit.analysis.scales.naming import write_names
from msvit.analysis.scales.page import TEXT, draw_page
from msvit.analysis.scales.report import Card, write_report
from msvit.analysis.scales.view import ScaleViewer, figures_of

GATE = dict(type='msvit.MLPGate', hidden_dims=(4,))
VIT = dict(arch=dict(embed_dim=8, depth=2, num_heads=1, patch_size=8), img_size=32, coarse_patch_size=16, out_type='cls_token')
SWIN = dict(
    arch=dict(embed_dim=8, depths=(1, 1, 1), num_heads=(1, 1, 1), window_size=2, patch_size=4),
    img_size=32,
    coarse_patch_size=16,
    out_type='avg_featmap',
)
BACKBONES = {
    'MSViT': dict(type='msvit.MSViT', **VIT),
    'MSDeiT': dict(type='msvit.MSDeiT', **VIT),
    'MSDyViT': dict(type='msvit.MSDyViT', **VIT, prune_at=(1,), keep_rate=0.7),
    'MSEViT': dict(type='msvit.MSEViT', **VIT, prune_at=(1,), keep_rate=0.7),
    'MSSwin': dict(type='msvit.MSSwin', **SWIN),
}
COLUMNS = ['image', 'scale map', 'p_fine', 'mixed scale', 'dense']


def classifier(kind: str = 'MSViT', gate=GATE, num_classes: int = 4, **dataset) -> AnalysedModel:
    torch.manual_seed(0)
    model = dict(
        type='ImageClassifier',
        data_preprocessor=dict(mean=[127.5] * 3, std=[60.0] * 3, to_rgb=True, num_classes=num_classes),
        backbone=dict(**BACKBONES[kind], gate=gate),
        head=dict(type='LinearClsHead', in_channels=32 if kind == 'MSSwin' else 8, num_classes=num_classes),
    )
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    data = dict(dataset=dict(type='msvit.ImageFolderDataset', pipeline=pipeline, **dataset))
    return AnalysedModel(Config(dict(default_scope='mmpretrain', model=model, test_dataloader=data)))


def segmentor(gate=GATE) -> AnalysedModel:
    torch.manual_seed(0)
    model = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[127.5] * 3, std=[60.0] * 3, bgr_to_rgb=True),
        backbone=dict(type='msvit.MSViT', **{**VIT, 'out_type': 'tokens'}, gate=gate),
        decode_head=dict(
            type='msvit.MixedScaleSegmenterHead',
            in_channels=8,
            channels=8,
            in_index=-1,
            num_classes=3,
            num_layers=1,
            num_heads=1,
            embed_dims=8,
        ),
        test_cfg=dict(mode='whole'),
    )
    metainfo = dict(classes=('sky', 'sea', 'sand'), palette=[[0, 0, 255], [0, 128, 128], [255, 255, 0]])
    data = dict(
        type='BaseSegDataset', metainfo=metainfo, pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
    )
    cfg = Config(dict(default_scope='mmseg', model=model, test_dataloader=dict(dataset=data)))
    return AnalysedModel(cfg)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)


def sample(image: np.ndarray, label=None, name: str = 'photos/noise.png') -> Sample:
    inputs = (torch.from_numpy(image.copy()).permute(2, 0, 1)[None] - 127.5) / 60
    return Sample(name, image, inputs, label)


def decide(model: AnalysedModel, threshold: float) -> AnalysedModel:
    """Make a gate of random weights decide otherwise in every region."""
    torch.nn.init.normal_(model.backbone.gate.mlp[-1].weight, generator=torch.Generator().manual_seed(1))
    torch.nn.init.zeros_(model.backbone.gate.mlp[-1].bias)
    model.backbone.gate.threshold = threshold
    return model


@pytest.mark.parametrize('kind', BACKBONES)
def test_every_backbone_is_seen_and_drawn(noise, kind):
    model = decide(classifier(kind), threshold=0)
    model.backbone.gate.budget = 1
    view = ScaleViewer(model)(sample(noise[:, :32], label=1))
    figures = figures_of(view)
    cells = (16 // model.backbone.patch_size) ** 2
    assert figures['fine_share'] == 0.25 and figures['tokens'] == 3 + cells and figures['dense_tokens'] == 4 * cells
    assert figures['gmacs'] > 0 and figures['dense_gmacs'] > 0
    assert figures['agreement'] in (0, 1) and figures['accuracy'] == (view.mixed.said.argmax() == 1)
    drawn = Painter(model, ['a', 'b', 'c', 'd'], None, 'dense')(view)
    assert list(drawn) == COLUMNS
    assert drawn['image'].words == ('noise.png', '32x32 pixels', 'b')
    assert [cell.picture.shape for cell in drawn.values()] == [(288, 288, 3)] * 3 + [(156, 240, 3)] * 2


def test_the_dense_prediction_is_the_one_with_every_region_fine(noise):
    model = decide(segmentor(), 0.5)
    view = ScaleViewer(model)(sample(noise))
    model.backbone.gate.threshold = 0
    assert (model.predict(view.sample.inputs) == view.dense.labels).all()
    everything = ScaleViewer(model)(view.sample)
    assert everything.agreement == 1 and everything.mixed.cost.tokens == everything.dense.cost.tokens == 24
    assert everything.mixed.cost.gmacs > everything.dense.cost.gmacs, 'the gate costs something'
    assert view.agreement == (view.mixed.labels == view.dense.labels).mean()


def test_a_dense_twin_of_other_weights_speaks_for_itself(noise):
    model, dense = decide(segmentor(), 0.5), segmentor(gate=None)
    for parameter in dense.model.decode_head.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(2))
    view = ScaleViewer(model, dense)(sample(noise))
    assert (view.dense.labels == dense.predict(view.sample.inputs)).all()
    assert view.agreement < 1


def test_pixels_without_a_label_count_for_nothing(noise):
    model = decide(segmentor(), 0.5)
    truth = np.full((32, 48), 255, dtype=np.uint8)
    assert figures_of(ScaleViewer(model)(sample(noise, truth)))['accuracy'] is None
    truth[:4] = model.predict(sample(noise).inputs)[:4]
    view = ScaleViewer(model)(sample(noise, truth))
    assert figures_of(view)['accuracy'] == 1
    assert sum(view.classes().values()) == 2 * 32 * 48 + 4 * 48
    drawn = Painter(model, ['sky', 'sea', 'sand'], palette_of(model), 'dense')(view)
    assert list(drawn) == [*COLUMNS, 'ground truth'] and drawn['ground truth'].words == ('12.5% of pixels labelled',)


def test_what_cannot_be_compared_is_named():
    with pytest.raises(ValueError, match='has no gate: every region is fine'):
        ScaleViewer(classifier(gate=None))
    with pytest.raises(ValueError, match='labels images in 4 classes, the dense one labels images in 5 classes'):
        ScaleViewer(classifier(), classifier(num_classes=5))


def test_a_gate_that_says_yes_or_no(noise):
    view = ScaleViewer(segmentor(dict(type='msvit.RadialGate')))(sample(noise))
    assert set(np.unique(view.p_fine)) == {0, 1} and (view.p_fine == view.fine_mask).all()


@pytest.mark.parametrize('shape', [(1, 1), (5, 7), (8, 1600), (300, 20)])
def test_images_of_every_shape_fit_on_a_page(shape):
    model = decide(segmentor(), 0.5)
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    cells = Painter(model, ['sky', 'sea', 'sand'], palette_of(model), 'dense')(ScaleViewer(model)(sample(image)))
    assert len({cell.picture.shape for cell in cells.values()}) == 1
    page = draw_page([cells, cells], 'title', 0.5, {'sky': (0, 0, 255)})
    assert page.shape[1] < 2600 and page.std() > 10


def test_cells_lie_where_their_columns_are():
    red, blue = (np.full((20, 30, 3), colour, dtype=np.uint8) for colour in ([255, 0, 0], [0, 0, 255]))
    page = draw_page([{'a': Cell(red)}, {'a': Cell(red), 'b': Cell(blue, ('words',))}], 'title')
    columns = [np.flatnonzero((page == colour).all(axis=2).any(axis=0)) for colour in ([255, 0, 0], [0, 0, 255])]
    assert [len(places) for places in columns] == [30, 30] and columns[0].max() < columns[1].min()
    assert (page == [255, 0, 0]).all(axis=2).sum() == 2 * 600


def test_names_stay_within_their_areas():
    labels = np.zeros((60, 120), dtype=int)
    labels[:, 60:], labels[20:30, 80:84] = 1, 2
    picture = np.full((60, 120, 3), 128, dtype=np.uint8)
    drawn = (write_names(picture, labels, ['sky', 'sea', 'sand']) != picture).any(axis=2)
    assert drawn[:, :60].any() and drawn[:, 60:].any()
    assert not drawn[labels == 2].any(), 'too small an area for its name'
    assert not drawn[:, 58:62].any()
    assert not (write_names(picture, np.full((60, 120), 255), ['sky']) != picture).any()


@pytest.mark.parametrize(
    ('share', 'text'), [(0, '0%'), (1, '100%'), (0.9999, '99.9%'), (0.00001, '0.1%'), (0.5, '50.0%'), (0.123, '12.3%')]
)
def test_shares_say_all_only_of_all(share, text):
    assert percent(share) == text


def test_names_are_cut_to_fit_and_made_printable():
    assert elided('short.png', TEXT, 200) == 'short.png'
    cut = elided('a' * 100 + '_left.png', TEXT, 120)
    assert cut.startswith('aaa') and '...' in cut and cut.endswith('.png') and TEXT.getlength(cut) <= 120
    assert plain_name('a/b\udcff.png') == 'b?.png' and plain_name('12') == 'number 12'


def figures(file: str, tokens: int = 7) -> dict[str, Any]:
    known = dict(fine_share=0.25, mean_p_fine=0.3, gmacs=0.01, dense_gmacs=0.02, agreement=0.9)
    return dict(file=file, tokens=tokens, dense_tokens=24, **known, accuracy=None, dense_accuracy=None)


def test_the_report_holds_everything_and_escapes_names(tmp_path, noise):
    path, evil = tmp_path / 'new' / 'report.html', 'x/<img src=y onerror=alert(1)>\udcff"\'.png'
    cards = [
        Card.of(figures(evil, tokens), {'p_fine': Cell(noise, ('<b>words</b>',), photo=False), 'image': Cell(noise)})
        for tokens in (9, 5)
    ]
    left_out = [dict(file='<i>bad</i>.png', reason='<i>bad</i>.png cannot be read')]
    write_report(path, 'A & B', cards, left_out, dict(threshold=0.5, budget=None), 0.5, {'<sky>': (0, 0, 255)})
    page = path.read_text(encoding='utf-8')
    for tag in ('<img src=y', '<b>words', '<i>bad', '<sky>'):
        assert tag not in page
    assert '&lt;img src=y onerror=alert(1)&gt;?&#34;&#39;.png' in page and 'A &amp; B' in page and '#0000ff' in page
    assert re.findall('data-tokens="(.*?)"', page) == ['9', '5'] and '7' in page, 'the mean of the tokens'
    assert '<dt>threshold</dt><dd>0.5</dd>' in page and 'budget' not in page
    pictures = re.findall(r'src="data:image/(\w+);base64,(.*?)"', page)
    assert [kind for kind, _ in pictures] == ['png', 'png', 'jpeg', 'png', 'jpeg']
    assert (np.asarray(Image.open(BytesIO(base64.b64decode(pictures[1][1])))) == noise).all()
    assert not re.search(r'(src|href)="(?!data:)', page), 'nothing is fetched'


def test_class_names_come_from_the_config_the_checkpoint_or_are_numbers(tmp_path):
    names = ['cat', 'dog', 'emu', 'fox']
    for found, checkpoint in ((dict(classes=names), 'named.pth'), (dict(classes=names[:2]), 'other.pth'), (None, 'none.pth')):
        torch.save(dict(meta=dict(dataset_meta=found), state_dict=dict(a=torch.zeros(1))), tmp_path / checkpoint)
    model = classifier()
    assert class_names(model, tmp_path / 'named.pth') == names
    assert class_names(model, tmp_path / 'other.pth') == class_names(model, tmp_path / 'none.pth') == ['0', '1', '2', '3']
    assert class_names(classifier(metainfo=dict(classes=names[::-1])), tmp_path / 'named.pth') == names[::-1]
    segments = segmentor()
    assert class_names(segments) == ['sky', 'sea', 'sand'] and palette_of(segments).tolist()[2] == [255, 255, 0]

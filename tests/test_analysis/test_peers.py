"""Mixed scale against its peers: all on one set of weights, at one cost, their drift measured right."""

import numpy as np
import pytest
import torch
from mmengine.config import Config

from msvit.analysis.model import AnalysedModel, all_fine
from msvit.analysis.peers.compare import compare_peers, operating_gates
from msvit.analysis.peers.matched import peers_at_macs
from msvit.analysis.peers.nets import Features, HostWeights, Merged, MergingViT
from msvit.analysis.peers.tome import ToMe, tome_macs
from msvit.analysis.samples import Sample
from msvit.gates import ContextGate, MLPGate, RadialGate

ARCH = dict(embed_dim=32, depth=4, num_heads=2, patch_size=8)
PREPROCESSOR = dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True)
GATE = dict(type='msvit.MLPGate', init_p_fine=0.5)


@pytest.fixture
def model(perturb):
    """Makes a classifier, or without ``head`` a segmentor, of random weights for 64 px, regions of 16."""

    def build(kind: str = 'MSViT', head: str | None = 'LinearClsHead', arch: dict | str = ARCH, **backbone) -> AnalysedModel:
        out_type = 'cls_token' if head else 'tokens'
        settings = dict(type=f'msvit.{kind}', arch=arch, img_size=64, coarse_patch_size=16, out_type=out_type)
        config = dict(
            type='ImageClassifier', data_preprocessor=dict(type='ClsDataPreprocessor', num_classes=5, **PREPROCESSOR)
        )
        if head:
            config['head'] = dict(type=head, in_channels=192 if isinstance(arch, str) else 32, num_classes=5)
        else:
            sizes = dict(in_channels=32, channels=32, num_layers=1, num_heads=2, embed_dims=32, num_classes=3)
            config = dict(
                type='mmseg.EncoderDecoder',
                decode_head=dict(type='msvit.MixedScaleSegmenterHead', **sizes),
                test_cfg=dict(mode='whole'),
            )
        config['backbone'] = {**settings, **backbone}
        torch.manual_seed(0)
        built = AnalysedModel(Config(dict(default_scope='mmpretrain' if head else 'mmseg', model=config)))
        perturb(built.model)
        return built

    return build


def samples_of(count: int = 4, shape: tuple[int, int] = (64, 64), labels: bool = True) -> list[Sample]:
    inputs = torch.randn(count, 3, *shape, generator=torch.Generator().manual_seed(1)).split(1)
    image = np.zeros((*shape, 3), np.uint8)
    return [Sample(str(i), image, one, i % 5 if labels else None) for i, one in enumerate(inputs)]


@pytest.mark.parametrize('shape', [(64, 64), (52, 70)], ids=['own size', 'another size'])
def test_all_methods_are_the_dense_vit_where_they_drop_nothing(model, assert_relative, shape):
    weights = HostWeights(model('MSDyViT', gate=GATE, prune_at=(1, 2, 3)))
    images, dense = torch.randn(2, 3, *shape), weights.vit()
    nets = {
        **weights.pruning(),
        'ToMe': MergingViT(dense, ToMe(weights.plain(), 0)),
        'mixed': weights.vit(all_fine_gate()),
    }
    for name in ('EViT', 'DynamicViT'):
        nets[name].keep_rate = 1.0
    with torch.inference_mode():
        expected = Features.of(dense(images))
        for net in nets.values():
            features = Features.of(net(images))
            assert_relative(features.prefix, expected.prefix, 1e-4)
            assert_relative(features.mean, expected.mean, 1e-4)


def all_fine_gate() -> MLPGate:
    return MLPGate(16, threshold=0.0).eval()


def test_the_dense_vit_is_that_of_the_model(model, assert_relative):
    whole = model('MSViT', gate=GATE, pos_embed_mode='bicubic')
    weights, images = HostWeights(whole), torch.randn(2, 3, 48, 48)
    with torch.inference_mode():
        features = Features.of(weights.vit()(images))
        with all_fine(whole.backbone):
            assert_relative(features.prefix[:, 0], whole.backbone(images)[0])
            assert torch.equal(weights.classes(features), whole.forward(images).argmax(dim=1))


def test_a_distilled_vit_classifies_by_both_tokens(model):
    arch = 'deit_tiny_distilled_patch16_224'
    whole = model('MSDeiT', 'DeiTClsHead', arch, coarse_patch_size=32, gate=GATE)
    weights, images = HostWeights(whole), torch.randn(8, 3, 64, 64)
    with torch.inference_mode(), all_fine(whole.backbone):
        features = Features.of(MergingViT(weights.vit(), ToMe(weights.plain(), 0))(images))
        assert torch.equal(weights.classes(features), whole.forward(images).argmax(dim=1))


def test_networks_share_memory_and_leave_the_model_alone(model):
    whole = model(gate=GATE)
    gate, weights = whole.backbone.gate, HostWeights(whole)
    nets = [weights.vit(), weights.vit(gate), weights.plain(), *weights.pruning().values()]
    place = whole.backbone.blocks[0].attn.qkv.weight.data_ptr()
    assert {net.blocks[0].attn.qkv.weight.data_ptr() for net in nets} == {place}
    assert whole.backbone.gate is gate and nets[1].gate is gate


@pytest.mark.parametrize('layout', ['packed', 'trimmed', 'masked'])
def test_the_mean_feature_is_that_of_the_cells(tiny_msvit, assert_relative, layout):
    net = tiny_msvit(out_type='tokens', layout=layout)
    mask = torch.rand(3, 3, 2, generator=torch.Generator().manual_seed(0)) < 0.5
    with torch.inference_mode():
        output = net(torch.randn(3, 3, 40, 32), fine_mask=mask)
    assert_relative(Features.of(output).mean, output[0].to_map().mean(dim=(2, 3)))


def test_merged_tokens_count_as_often_as_their_patches():
    tokens = torch.tensor([[[9.0], [1.0], [4.0]]])
    features = Features.of(Merged(tokens, torch.tensor([[1.0, 3.0, 1.0]]), num_prefix=1))
    assert features.prefix.item() == 9 and features.mean.item() == pytest.approx((3 * 1 + 4) / 4)


@pytest.mark.parametrize('share', [0.5, 0.8])
def test_peers_cost_what_is_wanted(model, share):
    weights = HostWeights(model('MSDyViT', gate=GATE, prune_at=(1, 2, 3)))
    dense, plain, pruning, images = weights.vit(), weights.plain(), weights.pruning(), torch.randn(1, 3, 64, 64)
    grid = dense.grid(images)
    counts = torch.tensor([grid.num_fine])
    wanted = share * dense.macs(grid, counts).total.item()
    rates = {name: net.keep_rate for name, net in pruning.items()}
    peers = {method: net for (method, _), net in peers_at_macs(plain, pruning, images, grid.num_fine, wanted).items()}
    assert list(peers) == ['ToMe', 'EViT', 'DynamicViT']
    assert tome_macs(plain, grid.num_fine, peers.pop('ToMe').schedule) == pytest.approx(wanted, rel=0.05)
    for net in peers.values():
        assert net.macs(grid, counts).total.item() == pytest.approx(wanted, rel=0.03)
    assert {name: net.keep_rate for name, net in pruning.items()} == rates


def test_results_are_those_of_networks_run_by_hand(model):
    whole, samples = model(gate=GATE), samples_of()
    torch.nn.init.normal_(whole.backbone.gate.mlp[-1].weight)
    weights, images = HostWeights(whole), torch.cat([sample.inputs for sample in samples])
    comparison = compare_peers(weights, operating_gates(whole.backbone.gate, [0.4, 0.6]), samples, ['random'], 2, 1)
    results, by_number = comparison.results, dict(list(comparison.images.groupby('number')))
    assert list(zip(results.method, results.point, strict=True)) == [
        ('dense', None),
        *((method, point) for point in (0, 1) for method in ('mixed', 'ToMe', 'EViT', 'random')),
    ]
    dense, first, second, last = (by_number[number] for number in (0, 1, 5, 8))
    assert list(dense.distances) == [0] * 4 and dense.agrees.all() and list(dense.cosines) == pytest.approx([1] * 4)
    assert list(first.tokens) != [64] * 4 and sum(first.tokens) > sum(second.tokens)
    assert results.tokens[1] == pytest.approx(first.tokens.mean()) and results.right[1] == first.right.mean()

    whole.backbone.gate.threshold = 0.4
    with torch.inference_mode():
        mixed = whole.backbone(images)[0]
        with all_fine(whole.backbone):
            baseline = whole.backbone(images)[0]
            expected = whole.forward(images).argmax(dim=1)
        said = whole.forward(images).argmax(dim=1)
        tokens = whole.backbone.tokenize(images).counts
    assert list(first.distances) == pytest.approx(((mixed - baseline).norm(dim=1) / baseline.norm(dim=1)).tolist(), rel=1e-3)
    assert list(first.agrees) == (said == expected).tolist() and list(first.right) == (said == torch.arange(4)).tolist()
    assert list(first.tokens) == tokens.tolist()
    macs = whole.backbone.macs(whole.backbone.grid(images), tokens).total / 1e9
    assert list(first.gmacs) == pytest.approx(macs.tolist())
    assert all(one.keys() == {1, 2} and min(one.values()) > 0 for one in results.seconds)
    assert last.tokens.nunique() == 1  # the same share of every image


def test_each_image_size_has_its_own_settings(model):
    samples = [*samples_of(2), *samples_of(3, (96, 128), labels=False)]
    whole = model(gate=GATE)
    comparison = compare_peers(HostWeights(whole), operating_gates(whole.backbone.gate, None), samples, rounds=1, batch_size=1)
    (number,) = comparison.results.index[comparison.results.method == 'ToMe']
    tome = comparison.images[comparison.images.number == number]
    assert len(tome) == tome.distances.count() == 5
    assert len(comparison.results.settings[number]) == tome.gmacs.nunique() == 2
    assert tome.right.count() == 2 and comparison.timed_shape == (96, 128)


def test_segmentors_drift_in_the_mean_patch_feature(model):
    whole = model(head=None, gate=GATE, arch=dict(ARCH, class_token=False))
    weights = HostWeights(whole)
    assert not weights.compares_class_token and not weights.classifies and weights.pruning() == {}
    gates = operating_gates(whole.backbone.gate, [1.0])
    comparison = compare_peers(weights, gates, samples_of(labels=False), rounds=1)
    assert list(comparison.results.method) == ['dense', 'mixed', 'ToMe'] and comparison.images.agrees.isna().all()
    dense, mixed, _ = (rows for _, rows in comparison.images.groupby('number'))
    assert list(mixed.tokens) == [16] * 4 and min(mixed.distances) > 0 and list(dense.distances) == [0] * 4


@pytest.mark.parametrize('kind', [MLPGate, ContextGate])
def test_operating_points(kind):
    gate = kind(16, threshold=0.5)
    gates = operating_gates(gate, [0.2, 0.8])
    assert {name: one.threshold for name, one in gates.items()} == {'threshold 0.2': 0.2, 'threshold 0.8': 0.8}
    assert gate.threshold == 0.5 and list(operating_gates(gate, None)) == ['threshold 0.5']
    radial = RadialGate(16)
    assert operating_gates(radial, None) == {'RadialGate': radial}
    with pytest.raises(ValueError, match='RadialGate knows no threshold'):
        operating_gates(radial, [0.5])
    with pytest.raises(ValueError, match='the model has no gate'):
        operating_gates(None, None)


def test_gates_of_other_regions_are_refused(model):
    with pytest.raises(ValueError, match='the gate looks at regions of 32 pixels, the backbone has coarse_patch_size=16'):
        HostWeights(model()).vit(MLPGate(32))


def test_other_backbones_are_refused(model, tiny_msswin):
    whole = model()
    whole.backbone = tiny_msswin()
    with pytest.raises(TypeError, match='need the one token sequence of a ViT: the model has a MSSwin'):
        HostWeights(whole)

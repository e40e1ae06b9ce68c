"""The forward pass on padded tokens, as CUDA graphs replay it: what it gives without padding."""

import copy
import pickle

import pytest
import torch
from torch import Tensor

from msvit.backbones import MSDeiT, MSEViT, TokenTrace
from msvit.backbones.replay import Replay
from msvit.gates import ContextGate, MLPGate, UniformGate
from msvit.graphs import Graphs, _Captured, capture_graphs
from msvit.heads import MixedScaleSegmenterHead
from msvit.necks import ReplicateTokens, UnfoldTokens

SIZE = 48  # nine regions of 16 pixels
TOLERANCES = {'cpu': 1e-5, 'cuda': 1e-4}
ARCHS = {
    'plain': {},
    'registers': dict(reg_tokens=4),
    'no class token': dict(class_token=False),
    'normed': dict(qk_norm=True, init_values=0.1),
}
GATES = {
    'none': None,
    'threshold': dict(type='msvit.MLPGate', init_p_fine=0.5),
    'budget': dict(type='msvit.MLPGate', threshold=0.0, budget=0.4),
    'context': dict(type='msvit.ContextGate'),
    'uniform': dict(type='msvit.UniformGate'),
}


def masks(*fine: int) -> Tensor:
    """One image with each so many fine regions of nine."""
    return (torch.arange(9) < torch.tensor(fine)[:, None]).reshape(-1, 3, 3)


def make_images(device: str, batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).to(device)


class _ClobberingGraphs(Graphs):
    """Graphs that share memory at their worst, on a CPU: a run spoils all that graphs of later capture gave."""

    def __call__(self, key, function, *inputs):
        key = (key, *(x.shape for x in inputs))
        with torch.inference_mode(False), torch.no_grad():
            if key not in self._captured:
                given_out = [output for captured in self._captured.values() for output in captured.outputs]
                inputs_ = tuple(x if any(x is output for output in given_out) else x.clone() for x in inputs)
                outputs = tuple(self._own(y, inputs_) for y in function(*inputs_))
                self._captured[key] = _Captured(None, inputs_, outputs)
            captured = self._captured[key]
            for own, given in zip(captured.inputs, inputs, strict=True):
                own.copy_(given)
            results = [y.clone() for y in function(*captured.inputs)]
            later = list(self._captured.values())[list(self._captured).index(key) + 1 :]
            for output in (output for other in later for output in other.outputs):
                output.view(torch.uint8).fill_(77)
            for own, result in zip(captured.outputs, results, strict=True):
                own.copy_(result)
        return captured.outputs

    @staticmethod
    def _own(y, inputs):
        return y if any(y is x for x in inputs) else y.clone()


@pytest.fixture
def clobbering(monkeypatch) -> None:
    monkeypatch.setattr('msvit.backbones.replay.Graphs', _ClobberingGraphs)
    monkeypatch.setattr('msvit.graphs.Graphs', _ClobberingGraphs)


@pytest.fixture
def images(device) -> Tensor:
    return make_images(device)


@pytest.mark.parametrize('bucket', [1, 8, 32])
@pytest.mark.parametrize('arch', ARCHS)
def test_padding_changes_no_feature(arch, bucket, device, images, tiny_msvit, assert_relative):
    net = tiny_msvit(ARCHS[arch], img_size=SIZE, out_type='tokens', out_indices=(0, 1)).to(device)
    with torch.no_grad():
        expected = {fine: net(images, fine_mask=masks(fine)) for fine in range(10)}
        net.capture_graphs(bucket)
        for fine in (*range(10), 3, 0):  # a shorter image behind a longer one meets what that left
            for ours, wanted in zip(net(images, fine_mask=masks(fine)), expected[fine], strict=True):
                assert ours.layout == 'trimmed'
                assert ours.tokens().shape[1] == min(-(-wanted.counts.item() // bucket) * bucket, 36)
                assert torch.equal(ours.counts, wanted.counts)
                assert_relative(ours.to_map(), wanted.to_map(), TOLERANCES[device])
                if net.num_prefix_tokens:
                    assert_relative(ours.prefix(), wanted.prefix(), TOLERANCES[device])


@pytest.mark.parametrize('out_type', ['featmap', 'cls_token'])
@pytest.mark.parametrize('fine', [(2, 2, 2), (0, 9, 4)], ids=['alike', 'ragged'])
@pytest.mark.parametrize('layout', ['trimmed', 'packed'])
def test_batches(layout, fine, out_type, device, tiny_msvit, assert_relative):
    net, images = tiny_msvit(img_size=SIZE, layout=layout, out_type=out_type).to(device), make_images(device, 3)
    with torch.no_grad():
        expected = net(images, fine_mask=masks(*fine))[0]
        net.capture_graphs()
        for _ in range(2):
            assert_relative(net(images, fine_mask=masks(*fine))[0], expected, TOLERANCES[device])


@pytest.mark.parametrize(
    ('gate', 'fine', 'length'),
    [(None, (2,), 32), (None, (2, 2), 15), (None, (2, 3), 32), (None, (9,), 36), ('budget', (2,), 15), ('budget', (0, 1), 32)],
)
def test_a_batch_is_padded_where_lengths_vary(gate, fine, length, device, tiny_msvit):
    net = tiny_msvit(img_size=SIZE, out_type='tokens', gate=gate and GATES[gate]).to(device)
    net.capture_graphs()
    with torch.no_grad():
        assert net(make_images(device, len(fine)), fine_mask=masks(*fine))[0].tokens().shape[1] == length


@pytest.mark.parametrize('gate', GATES)
def test_gates_decide_as_they_do_without(gate, device, tiny_msvit, assert_relative):
    net, images = tiny_msvit(img_size=SIZE, gate=GATES[gate], out_type='tokens').to(device), make_images(device, 2)
    with torch.no_grad():
        expected = [net(images + i)[0] for i in range(3)]
        net.capture_graphs()
        for i, wanted in enumerate(expected):
            ours = net(images + i)[0]
            assert torch.equal(ours.fine_mask, wanted.fine_mask)
            assert_relative(ours.to_map(), wanted.to_map(), TOLERANCES[device])


def test_a_changed_gate_is_heeded(device, images, tiny_msvit):
    _change_the_gate(device, images, tiny_msvit)


def test_graphs_may_share_memory(clobbering, tiny_msvit):
    _change_the_gate('cpu', make_images('cpu'), tiny_msvit)


def _change_the_gate(device, images, tiny_msvit):
    net = tiny_msvit(img_size=SIZE, gate=GATES['budget'], out_type='tokens').to(device)
    net.capture_graphs()
    with torch.no_grad():
        for budget in (0, 4, 9, 4):
            net.gate.budget = budget
            assert net(images)[0].fine_mask.sum() == budget
        for fine_share in (0.0, 1.0):
            net.gate.budget, net.gate.threshold = None, 0.5
            net.gate.calibrate(images, fine_share)
            assert net(images)[0].fine_mask.float().mean() == fine_share
        net.gate = UniformGate(16, 0.5).to(device)
        assert 0 < net(images)[0].fine_mask.float().mean() < 1


def test_new_weights_are_heeded(device, images, tiny_msvit, assert_relative):
    net, other = (tiny_msvit(img_size=SIZE, seed=seed).to(device) for seed in (0, 1))
    net.capture_graphs()
    with torch.no_grad():
        net(images)
        for assign in (False, True):
            net.load_state_dict(other.state_dict(), assign=assign)
            assert_relative(net(images)[0], other(images)[0], TOLERANCES[device])
            other.pos_embed += 1


def test_tokens_are_recorded(device, images, tiny_msvit):
    net = tiny_msvit(img_size=SIZE).to(device)
    net.capture_graphs()
    trace = TokenTrace()
    with torch.no_grad():
        for fine in (2, 5):
            net(images, fine_mask=masks(fine))
    assert [record.counts.item() for record in trace.drain()] == [15, 24]


def test_a_distilled_vit_gives_its_pair(device, images, assert_relative):
    net = MSDeiT('deit_tiny_distilled_patch16_224', img_size=64).eval().to(device)
    images = images.repeat(1, 1, 2, 2)[..., :64, :64]
    with torch.no_grad():
        (expected,) = net(images)
        net.capture_graphs()
        (pair,) = net(images)
        for ours, wanted in zip(pair, expected, strict=True):
            assert_relative(ours, wanted, TOLERANCES[device])


def make_head() -> MixedScaleSegmenterHead:
    widths = dict(in_channels=32, channels=32, embed_dims=32, num_heads=2)
    return MixedScaleSegmenterHead(num_classes=5, num_layers=2, **widths).eval()


FOLLOWING = dict(head=make_head, replicated=ReplicateTokens, unfolded=lambda: UnfoldTokens(32))


@pytest.mark.parametrize('fine', [(2,), (4, 4), (0, 9, 4)], ids=['one', 'alike', 'ragged'])
@pytest.mark.parametrize('kind', FOLLOWING)
def test_what_follows_on_tokens(kind, fine, device, tiny_msvit, assert_relative):
    torch.manual_seed(0)
    net, images = tiny_msvit(img_size=SIZE, out_type='tokens'), make_images(device, len(fine))
    part = FOLLOWING[kind]()
    for parameter in part.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model = torch.nn.Sequential(net, part).to(device)

    def run() -> Tensor:
        result = part(net(images, fine_mask=masks(*fine)))
        return result if isinstance(result, Tensor) else result[0]

    with torch.no_grad():
        expected = run()
        capture_graphs(model)
        for _ in range(2):
            assert_relative(run(), expected, TOLERANCES[device])


def test_no_output_is_overwritten_by_the_next_image(device, images, tiny_msvit):
    for out_type in ('featmap', 'tokens'):
        net = tiny_msvit(img_size=SIZE, out_type=out_type, gate=GATES['threshold']).to(device)
        net.capture_graphs()
        with torch.no_grad():
            (first,) = net(images)
            kept = copy.deepcopy(first)
            net(1 - images)
        if out_type == 'tokens':
            assert torch.equal(first.x, kept.x)
            assert torch.equal(first.to_map(), kept.to_map())
        else:
            assert torch.equal(first, kept)


def test_an_image_that_is_not_finite_spoils_no_other(device, images, tiny_msvit):
    net = tiny_msvit(img_size=SIZE).to(device)
    net.capture_graphs(64)
    with torch.no_grad():
        net(images.fill_(torch.nan), fine_mask=masks(9))
        assert torch.isfinite(net(torch.zeros_like(images), fine_mask=masks(0))[0]).all()


@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode])
def test_in_half_precision_and_moved(mode, device, images, tiny_msvit, assert_relative):
    net = tiny_msvit(img_size=SIZE).to(device)
    net.capture_graphs()
    with mode():
        expected = net(images)[0]
        net.to('cpu', torch.bfloat16).to(device)
        assert_relative(net(images.bfloat16())[0].float(), expected, 0.1)
        net.float()
    with torch.no_grad():
        assert_relative(net(images)[0], expected, 0.1)


def test_where_they_do_not_serve_all_is_as_before(device, images, tiny_msvit, monkeypatch):
    """In training, with gradients, in the masked layout, under autocast."""
    net = tiny_msvit(img_size=SIZE, gate=GATES['threshold']).to(device)
    net.capture_graphs()
    monkeypatch.setattr(Replay, '__call__', lambda *_: pytest.fail('a graph was to run'))
    assert net(images)[0].requires_grad
    with torch.no_grad():
        with torch.autocast(device, torch.bfloat16):
            net(images)
        net.train()(images)
        net.eval().layout = 'masked'
        net(images)


def test_copies_capture_their_own(tiny_msvit):
    net = tiny_msvit(img_size=SIZE)
    net.capture_graphs(16)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin._graphs.graphs is not net._graphs.graphs
        assert twin._graphs.bucket == 16


def test_gates_that_may_depend_on_more_have_no_key():
    assert UniformGate().replay_key() is None
    for gate in (MLPGate(), ContextGate()):
        before = gate.replay_key()
        gate.budget = 3
        assert gate.replay_key() != before


def test_what_cannot_be(tiny_msvit):
    with pytest.raises(ValueError, match='bucket must be at least 1 token, got 0'):
        tiny_msvit().capture_graphs(0)
    net = MSEViT(dict(embed_dim=32, depth=2, num_heads=2, patch_size=8), img_size=32, coarse_patch_size=16, prune_at=(1,))
    with pytest.raises(TypeError, match='MSEViT has no CUDA graphs'):
        net.capture_graphs()
    with pytest.raises(TypeError, match='Linear has no part with CUDA graphs'):
        capture_graphs(torch.nn.Linear(1, 1))


@pytest.mark.gpu
def test_compiled_blocks_are_captured_too(tiny_msvit, assert_relative):
    torch.compiler.reset()
    net, images = tiny_msvit(img_size=SIZE).cuda(), torch.randn(1, 3, SIZE, SIZE, device='cuda')
    with torch.no_grad():
        expected = net(images)[0]
        net.compile_blocks()
        net.capture_graphs()
        assert_relative(net(images)[0], expected, TOLERANCES['cuda'])
        assert_relative(net(images)[0], expected, TOLERANCES['cuda'])


@pytest.mark.gpu
def test_outputs_are_read_in_place_and_the_oldest_graphs_go(monkeypatch):
    monkeypatch.setattr('msvit.graphs._MOST_GRAPHS', 3)
    graphs, x = Graphs(), torch.zeros(2, device='cuda')
    for start in range(5):
        (one,) = graphs(('add', start), lambda x, start=start: (x + start,), x.fill_(1))
        (two,) = graphs(('double', start), lambda x: (2 * x,), one)
        assert two.tolist() == [2.0 + 2 * start] * 2
    assert len(graphs._captured) == 3

"""A gate in a checkpoint of any kind, and in a file of its own."""

import json

import pytest
import safetensors.torch
import torch
from torch import nn

from msvit.checkpoints import CheckpointError, load_gate, read_gate_normalization, save_gate, save_weights
from msvit.gates import ContextGate, LearnedGate, MLPGate, Normalization
from msvit.registry import MODELS

TRAINED = Normalization((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
HOST = Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


SETTINGS = dict(init_p_fine=0.5, threshold=0.4, budget=0.25, temperature=0.5)
BUILD = dict(
    mlp=lambda: MLPGate(coarse_patch_size=8, hidden_dims=(16, 12), **SETTINGS),
    context=lambda: ContextGate(coarse_patch_size=8, width=8, depth=1, **SETTINGS),
)


def make_gate(kind: str) -> LearnedGate:
    torch.manual_seed(0)
    gate = BUILD[kind]()
    nn.init.normal_(gate.last_layer.weight)
    return gate.eval()


@pytest.fixture(params=BUILD)
def gate(request) -> LearnedGate:
    return make_gate(request.param)


@pytest.fixture
def mlp_gate() -> MLPGate:
    return make_gate('mlp')


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 40, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def exported(gate, tmp_path):
    return save_gate(gate, tmp_path / 'gate.safetensors', TRAINED)


def same(one: LearnedGate, other: LearnedGate, images: torch.Tensor) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.eval()(images), other.eval()(images), strict=True))


def test_a_file_of_its_own_comes_back_with_all_settings(gate, exported, images):
    loaded = load_gate(exported)
    assert (loaded.threshold, loaded.budget, loaded.temperature) == (0.4, 0.25, 0.5)
    assert (loaded.coarse_patch_size, loaded.in_channels) == (8, 3)
    assert type(loaded) is type(gate) and loaded.frozen and same(loaded, gate, images)
    assert read_gate_normalization(exported) == TRAINED


@pytest.mark.parametrize('budget', [3, 0.5, 1.0, None])
def test_a_budget_keeps_its_kind(gate, tmp_path, budget):
    gate.budget = budget
    loaded = load_gate(save_gate(gate, tmp_path / 'gate.safetensors', TRAINED))
    assert loaded.budget == budget and type(loaded.budget) is type(budget)


def test_settings_given_overrule_those_of_the_file(exported):
    loaded = load_gate(exported, threshold=0.7, budget=None)
    assert (loaded.threshold, loaded.budget, loaded.temperature) == (0.7, None, 0.5)


@pytest.mark.parametrize('prefix', ['', 'gate.', 'backbone.gate.', 'module.student.backbone.gate.', 'chooser.'])
@pytest.mark.parametrize('kind', ['torch', 'runner', 'safetensors', 'tensors'])
def test_below_any_prefix_in_any_file(gate, images, tmp_path, prefix, kind):
    state = {f'{prefix}{name}': value for name, value in gate.state_dict().items()}
    if prefix:
        state |= {'backbone.blocks.0.mlp.fc1.weight': torch.ones(4, 4), 'head.mlp.0.weight': torch.ones(4, 4)}
    source = tmp_path / 'weights.pth'
    if kind == 'tensors':
        source = state
    elif kind == 'safetensors':
        source = save_weights(state, tmp_path / 'weights.safetensors')
    else:
        torch.save(state if kind == 'torch' else dict(state_dict=state, optimizer={}, meta={}), source)
    loaded = load_gate(source, threshold=0.4, budget=0.25)
    assert same(loaded, gate, images)


@pytest.mark.parametrize(('in_channels', 'size', 'hidden_dims'), [(3, 16, ()), (1, 4, (5,)), (3, 7, (4, 4, 4)), (1, 1, (3,))])
def test_the_form_follows_from_the_shapes(in_channels, size, hidden_dims):
    gate = MLPGate(size, in_channels, hidden_dims)
    loaded = load_gate(gate.state_dict())
    assert (loaded.in_channels, loaded.coarse_patch_size) == (in_channels, size)
    assert [layer.out_features for layer in loaded.mlp if isinstance(layer, nn.Linear)] == [*hidden_dims, 1]


@pytest.mark.parametrize(
    'arguments', [dict(coarse_patch_size=28, depth=0), dict(coarse_patch_size=8, in_channels=4, width=16, depth=3)], ids=str
)
def test_the_form_of_a_gate_with_context_follows_too(arguments):
    gate = ContextGate(**arguments)
    loaded = load_gate(gate.state_dict())
    assert str(loaded) == str(gate) and loaded.coarse_patch_size == arguments['coarse_patch_size']


def test_four_channels_come_back_from_a_file_that_tells_the_region_size(tmp_path):
    gate = MLPGate(4, 4, (3,))
    loaded = load_gate(save_gate(gate, tmp_path / 'gate.safetensors', Normalization((0.0,) * 4, (1.0,) * 4)))
    assert (loaded.in_channels, loaded.coarse_patch_size) == (4, 4)


def test_half_precision_loads_into_full(gate, images, tmp_path):
    path = save_gate(gate, tmp_path / 'half.safetensors', TRAINED, half=True)
    assert {value.dtype for value in safetensors.torch.load_file(path).values()} - {torch.int64} == {torch.float16}
    loaded = load_gate(path)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert (loaded(images).p_fine - gate(images).p_fine).abs().max() < 2e-3


def test_weights_beyond_half_precision_are_refused(gate, tmp_path):
    nn.init.constant_(gate.last_layer.bias, 1e5)
    with pytest.raises(ValueError, match='not finite in half precision'):
        save_gate(gate, tmp_path / 'half.safetensors', TRAINED, half=True)
    assert not (tmp_path / 'half.safetensors').exists()


def test_another_normalisation_is_folded_in(gate, exported):
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 255
    normalized = [(pixels - torch.tensor(m)[:, None, None]) / torch.tensor(s)[:, None, None] for m, s in (TRAINED, HOST)]
    expected = gate(normalized[0])
    given = load_gate(exported, mean=HOST.mean, std=list(HOST.std))(normalized[1])
    assert torch.equal(given.fine_mask, expected.fine_mask)
    torch.testing.assert_close(given.p_fine, expected.p_fine, rtol=0, atol=1e-5)


def test_the_same_normalisation_changes_no_bit(gate, exported, images):
    assert same(load_gate(exported, mean=TRAINED.mean, std=TRAINED.std), gate, images)


def test_a_normalisation_needs_a_file_that_tells_its_own(gate, tmp_path):
    torch.save(gate.state_dict(), tmp_path / 'gate.pth')
    with pytest.raises(ValueError, match=r'(?s)gate\.pth does not tell how pixels were normalised.*export_gate\.py'):
        load_gate(tmp_path / 'gate.pth', mean=HOST.mean, std=HOST.std)
    assert read_gate_normalization(tmp_path / 'gate.pth') is None


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        (dict(mean=HOST.mean), ValueError, 'belong together'),
        (dict(mean=(1.0,), std=(1.0,)), ValueError, 'one value for each of the 3 channels'),
        (dict(threshold=2.0), ValueError, 'threshold must lie in'),
        (dict(budget=-1), ValueError, 'budget must be'),
        (dict(temperature=0), ValueError, 'temperature must be positive'),
        (dict(hidden_dims=(3,)), TypeError, 'unknown settings of a trained gate: hidden_dims; it has threshold, budget'),
    ],
)
def test_wrong_arguments(exported, arguments, error, message):
    with pytest.raises(error, match=message):
        load_gate(exported, **arguments)


def test_a_checkpoint_without_a_gate_says_what_to_do(tmp_path):
    torch.save({'backbone.cls_token': torch.zeros(1), 'head.fc.weight': torch.zeros(2, 2)}, tmp_path / 'plain.pth')
    with pytest.raises(
        CheckpointError, match=r"(?s)plain\.pth holds no learned gate.*2 tensors of backbone, head.*'msvit.MLPGate'"
    ):
        load_gate(tmp_path / 'plain.pth')


@pytest.mark.parametrize(
    'change',
    [
        lambda state: state.pop('mlp.2.bias'),
        lambda state: state.update({'mlp.4.weight': torch.ones(2, 12), 'mlp.4.bias': torch.ones(2)}),
        lambda state: state.update({'mlp.2.weight': torch.ones(12, 15)}),
        lambda state: state.update({'mlp.0.weight': torch.ones(16, 191)}),
    ],
    ids=['a bias is missing', 'two outputs', 'widths do not follow', 'no square patch'],
)
def test_another_mlp_is_no_gate(mlp_gate, change):
    state = mlp_gate.state_dict()
    change(state)
    with pytest.raises(CheckpointError, match='holds no learned gate'):
        load_gate(state)


@pytest.mark.parametrize(
    'change',
    [
        lambda state: state.pop('stem.0.norm.bias'),
        lambda state: state.pop('region_size'),
        lambda state: state.update({'head.weight': torch.ones(2, 8)}),
        lambda state: state.update({'stem.0.linear.weight': torch.ones(2)}),
        lambda state: state.update({'context.2.around.weight': torch.ones(8, 1, 5, 5)}),
    ],
    ids=['a norm is missing', 'a size is missing', 'two outputs', 'no patches', 'a layer between is missing'],
)
def test_other_layers_are_no_gate_with_context(change):
    state = make_gate('context').state_dict()
    change(state)
    with pytest.raises(CheckpointError, match='holds no learned gate'):
        load_gate(state)


def test_gates_of_two_kinds_are_several():
    state = {f'{kind}.{name}': value for kind in BUILD for name, value in make_gate(kind).state_dict().items()}
    with pytest.raises(CheckpointError, match=r'2 gates, context\.\*, mlp\.\*'):
        load_gate(state)
    assert type(load_gate(state, prefix='context.')) is ContextGate


def test_several_gates_need_a_prefix(gate, images):
    other = MLPGate(8, hidden_dims=(4,))
    state = {f'left.gate.{name}': value for name, value in gate.state_dict().items()}
    state |= {f'right.gate.{name}': value for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"2 gates, left\.gate\.\*, right\.gate\.\*: .* prefix='left\.gate\.'"):
        load_gate(state)
    assert same(load_gate(state, prefix='left.', threshold=0.4, budget=0.25), gate, images)
    with pytest.raises(CheckpointError, match="no learned gate below prefix='middle.'"):
        load_gate(state, prefix='middle.')


@pytest.mark.parametrize(
    'metadata',
    [
        {'mean': '[1, 2'},
        {'mean': '[1, 2, 3]'},
        {'mean': '"abc"', 'std': '[1, 1, 1]'},
        {'threshold': '"high"'},
        {'threshold': '7'},
        {'coarse_patch_size': '5'},
    ],
    ids=str,
)
def test_metadata_that_makes_no_sense(gate, tmp_path, metadata):
    path = save_weights(gate, tmp_path / 'odd.safetensors', metadata=metadata)
    with pytest.raises(CheckpointError, match=r'the metadata of .*odd\.safetensors makes no sense'):
        load_gate(path)


def test_a_missing_file():
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        load_gate('nowhere.pth')


def test_a_trainable_gate(exported, images):
    gate = load_gate(exported, frozen=False)
    assert gate.training and not gate.frozen
    gate(images).straight_through().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in gate.parameters())


def test_configs_name_it(exported, gate, images):
    built = MODELS.build(dict(type='msvit.TrainedGate', checkpoint=str(exported), threshold=0.4))
    assert type(built) is type(gate) and built.frozen and same(built, gate, images)


def test_the_metadata_is_plain_json(exported):
    with safetensors.safe_open(exported, framework='pt') as file:
        metadata = file.metadata()
    assert json.loads(metadata['mean']) == list(TRAINED.mean) and json.loads(metadata['coarse_patch_size']) == 8
    assert metadata['origin'] == 'msvit'

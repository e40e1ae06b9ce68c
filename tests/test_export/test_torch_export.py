"""``torch.export``: the exported program gives what the model gives, with as many tokens as each image needs."""

import pytest
import torch
from shipped_configs import load_config
from torch import Tensor, nn
from torch.export import Dim

from msvit.analysis.model import AnalysedModel
from msvit.backbones import TokenTrace

pytestmark = pytest.mark.skipif(
    not hasattr(torch.compiler, 'is_exporting'), reason='torch before 2.7 does not tell that it exports'
)

ANY_SIZE = {'images': {2: Dim.DYNAMIC, 3: Dim.DYNAMIC}}
ANY_BATCH = {'images': {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}}
GATES = {
    'mlp': dict(type='msvit.MLPGate', init_p_fine=0.5),
    'context': dict(type='msvit.ContextGate', width=8, init_p_fine=0.5),
    'budget': dict(type='msvit.MLPGate', init_p_fine=0.5, budget=0.4),
    'saliency': dict(type='msvit.SaliencyGate', threshold=1.0),
    'none': None,
}
CONFIGS = [
    'msseg_mini8_128x128_digit_scenes',  # the Segmenter head on unreplicated tokens
    'msvit_mini8_upernet_128x128_digit_scenes',
    'msvit_mini4_32x32_cifar10',  # a classifier
    'msevit_mini4_32x32_cifar10',
]


def pictures(*shape: int, seed: int = 0) -> Tensor:
    """Noise whose strength differs from place to place, so that gates decide differently."""
    generator = torch.Generator().manual_seed(seed)
    strength = torch.linspace(0, 3, shape[-1])[torch.randperm(shape[-1], generator=generator)]
    return torch.randn(*shape, generator=generator) * strength


def program(net: nn.Module, images: Tensor, dynamic_shapes: dict | None = None) -> nn.Module:
    return torch.export.export(net, (images,), dynamic_shapes=dynamic_shapes, strict=False).module()


@pytest.mark.parametrize('gate', GATES)
def test_any_size_and_number_of_tokens(gate, tiny_msvit, assert_relative):
    net = tiny_msvit(dict(depth=1), gate=GATES[gate], out_type='featmap')
    exported = program(net, pictures(1, 3, 51, 42), ANY_SIZE)
    counts = set()
    for shape in ((32, 32), (51, 42), (37, 90), (128, 128)):
        images = pictures(1, 3, *shape)
        with torch.no_grad():
            assert_relative(exported(images)[0], net(images)[0])
            counts.add(net.tokenize(images).counts.item())
    assert len(counts) == 4


@pytest.mark.parametrize('out_type', ['cls_token', 'featmap'])
def test_larger_batches_of_images_that_differ_in_tokens(out_type, tiny_msvit, assert_relative):
    net = tiny_msvit(dict(depth=1), gate=GATES['mlp'], out_type=out_type)
    exported = program(net, pictures(2, 3, 51, 42), ANY_BATCH)
    for batch, shape in ((2, (51, 42)), (3, (64, 32)), (5, (40, 70))):
        images = pictures(batch, 3, *shape)
        with torch.no_grad():
            assert len(set(net.tokenize(images).counts.tolist())) > 1
            assert_relative(exported(images)[0], net(images)[0])


def test_every_layout(layout, tiny_msvit, assert_relative):
    net = tiny_msvit(gate=GATES['mlp'], layout=layout)
    images = pictures(2, 3, 32, 48)
    exported = program(net, images)
    for seed in range(3):
        images = pictures(2, 3, 32, 48, seed=seed)
        with torch.no_grad():
            assert_relative(exported(images)[0], net(images)[0])


def test_the_model_is_left_as_it_was(tiny_msvit):
    net, images = tiny_msvit(gate=GATES['mlp']), pictures(1, 3, 48, 56)
    trace = TokenTrace()
    exported = program(net, images)
    assert trace.drain() == []
    assert exported(images)[0].shape == net(images)[0].shape  # no map of the export was kept, no symbol either
    net(images)[0].sum().backward()
    assert net.gate.last_layer.bias.grad is not None


class _Scores(nn.Module):
    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images, mode='tensor')


@pytest.mark.parametrize('config', CONFIGS)
def test_whole_models(config, shorten, perturb, assert_relative):
    analysed = AnalysedModel(load_config(config))
    shorten(analysed.backbone)
    model = _Scores(perturb(analysed.model)).eval()
    with torch.no_grad():
        analysed.backbone.gate.last_layer.bias.zero_()
    height, width = analysed.backbone.patch_embed.img_size
    exported = program(model, pictures(1, 3, height + height // 2 + 3, width + 5), ANY_SIZE)
    for shape in ((height, width), (2 * height + 5, width + 7)):
        images = pictures(1, 3, *shape)
        with torch.no_grad():
            assert_relative(exported(images), model(images), 1e-4)

"""From tokens to maps."""

import pytest
import torch

from msvit.necks import ReplicateTokens
from msvit.registry import MODELS


def test_the_maps_are_those_of_the_backbone(tiny_msvit, layout):
    images = torch.randn(2, 3, 40, 56)
    mask = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0)) > 0.5
    net = tiny_msvit(layout=layout, out_indices=(0, 1), out_type='tokens')
    maps = MODELS.build(dict(type='msvit.ReplicateTokens'))(net(images, fine_mask=mask))
    net.out_type = 'featmap'
    expected = net(images, fine_mask=mask)
    assert len(maps) == len(expected) == 2
    for ours, theirs in zip(maps, expected, strict=True):
        assert ours.shape == (2, 32, 5, 7)
        assert torch.equal(ours, theirs)


def test_feature_maps_are_refused():
    with pytest.raises(TypeError, match="takes MixedTokens, got Tensor: set the backbone's out_type='tokens'"):
        ReplicateTokens()((torch.zeros(1, 2, 4, 4),))

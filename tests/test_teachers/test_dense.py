"""What a dense model teaches a gate without labels."""

import pytest
import torch
from torch import nn

from msvit.teachers import DenseTeacher, attended_share, minority_share


class Host(nn.Module):
    """A classifier or, with a head of its own, a segmentor."""

    def __init__(self, backbone: nn.Module, classes: int | None = None):
        super().__init__()
        self.backbone = backbone
        if classes:
            self.decode_head, self.with_neck, self.align_corners = nn.Conv2d(32, classes, 1), False, False
            self.decode_head.forward = lambda maps, run=self.decode_head.forward: run(maps[0])


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def test_attention_is_shared_among_regions(tiny_msvit, images):
    net = tiny_msvit(out_type='cls_token')
    share = attended_share(net, images)
    assert share.shape == (2, 2, 3) and (share >= 0).all()
    torch.testing.assert_close(share.mean(dim=(1, 2)), torch.ones(2))
    assert share.std() > 1e-4


def test_attention_is_that_of_the_second_half_of_the_blocks(tiny_msvit, images):
    net = tiny_msvit(out_type='cls_token')
    seen = []
    attn = net.blocks[1].attn
    net.blocks[1].norm1.register_forward_hook(lambda module, args, out: seen.append(out))
    share = attended_share(net, images)
    x = seen[0].view(2, -1, 32)
    q, k, _ = attn.qkv(x).unflatten(-1, (3, 2, 16)).permute(2, 0, 3, 1, 4)
    weights = (q[:, :, :1] * 16**-0.5 @ k.transpose(-1, -2)).softmax(dim=-1).mean(dim=1)[:, 0, 1:].view(2, 4, 6)
    regions = weights.unflatten(2, (3, 2)).unflatten(1, (2, 2)).sum(dim=(2, 4))
    torch.testing.assert_close(share, regions / regions.mean(dim=(1, 2), keepdim=True), rtol=1e-4, atol=1e-5)


def test_a_classifiers_targets_follow_its_attention(tiny_msvit, images):
    host = Host(tiny_msvit(out_type='cls_token')).train()
    given = DenseTeacher().targets(host, dict(inputs=images), 16)
    expected = (attended_share(host.backbone.eval(), images) / 2).clamp(max=1)
    torch.testing.assert_close(given, expected)
    assert host.training and not given.requires_grad


def test_a_segmentors_targets_follow_its_predictions(tiny_msvit, images):
    host = Host(tiny_msvit(), classes=3).eval()
    given = DenseTeacher(full_share=0.5).targets(host, dict(inputs=images), 16)
    scores = nn.functional.interpolate(host.decode_head(host.backbone(images)), size=(32, 48), mode='bilinear')
    expected = (minority_share(scores.argmax(dim=1), 16, ignore_index=-1) / 0.5).clamp(max=1)
    torch.testing.assert_close(given, expected)
    assert not host.training


def test_it_is_the_dense_model_that_is_asked(tiny_msvit, images):
    gate = dict(type='msvit.UniformGate', fine_share=0.0)
    for kwargs, classes in ((dict(out_type='cls_token'), None), ({}, 3)):
        torch.manual_seed(0)
        dense, mixed = (Host(tiny_msvit(**kwargs, gate=one), classes) for one in (None, gate))
        mixed.load_state_dict(dense.state_dict())
        torch.testing.assert_close(*(DenseTeacher().targets(host, dict(inputs=images), 16) for host in (dense, mixed)))


def test_a_vit_without_a_class_token_has_nothing_to_say(tiny_msvit, images):
    host = Host(tiny_msvit(arch=dict(class_token=False)))
    with pytest.raises(ValueError, match=r'this MSViT has none: take .*msvit\.LabelTeacher'):
        DenseTeacher().targets(host, dict(inputs=images), 16)


@pytest.mark.parametrize('full_share', [0, 1.5])
def test_a_share_out_of_range(full_share):
    with pytest.raises(ValueError, match=r'full_share must lie in \(0, 1\]'):
        DenseTeacher(full_share)

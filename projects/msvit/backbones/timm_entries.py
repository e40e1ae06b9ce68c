"""MSViT among timm's models: ``timm.create_model('msvit_small_patch16_224', gate=...)``."""

from collections.abc import Callable, Sequence
from typing import Any

import timm
import torch
from timm.models import FeatureInfo, PretrainedCfg, register_model
from torch import Tensor, nn

from .ms_vit import MSViT

# Of ours, timm's ViT with the same weights.
_NAMES = [f'vit_{size}_patch16_{side}' for size in ('tiny', 'small', 'base') for side in (224, 384)]
ENTRIES = {f'ms{name}': name for name in _NAMES}


class TimmMSViT(MSViT):
    """`MSViT` with a classifier and the methods of timm's ViTs, under timm's names of the parameters.

    Args:
        arch: a timm ViT with a class token.
        num_classes: of the classifier; 0: none, the class token is returned.
        drop_rate: dropout before the classifier, in [0, 1).
        pretrained: timm's weights for ``arch``, classifier included where ``num_classes`` is theirs.
        pretrained_cfg_overlay: replaces entries of timm's ``pretrained_cfg``, such as ``file``.
        **kwargs: of `MSViT`, ``gate`` among them.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        arch: str = 'vit_small_patch16_224',
        num_classes: int = 1000,
        drop_rate: float = 0.0,
        pretrained: bool = False,
        pretrained_cfg_overlay: dict[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(arch, **{'out_type': 'cls_token', **kwargs})
        self.num_classes, self.num_features, self.head_hidden_size = num_classes, self.embed_dim, self.embed_dim
        self.head_drop = nn.Dropout(drop_rate)
        self.head = nn.Linear(self.embed_dim, num_classes) if num_classes else nn.Identity()
        self.pretrained_cfg = self.default_cfg = _timm_cfg(arch).to_dict()
        if pretrained:
            options: dict[str, Any] = dict(
                num_classes=num_classes, img_size=self._side, pretrained_cfg_overlay=pretrained_cfg_overlay
            )
            source = timm.create_model(arch, pretrained=True, **options)
            self.load_state_dict({**self.state_dict(), **source.state_dict()})

    def forward(self, images: Tensor, fine_mask: Tensor | None = None) -> Tensor:
        """Compute class scores (B, num_classes) of images (B, 3, H, W); ``fine_mask`` (B, Hc, Wc) bool overrules the gate."""
        return self.forward_head(self.forward_features(images, fine_mask))

    def forward_features(self, images: Tensor, fine_mask: Tensor | None = None) -> Tensor:
        """Encode as a ViT of fine tokens alone, (B, P + Hf * Wf, C): coarse tokens stand at all their cells."""
        tokens = self.forward_tokens(images, fine_mask)
        return torch.cat((tokens.prefix(), tokens.to_map().flatten(2).transpose(1, 2)), dim=1)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Compute class scores of `forward_features`, or with ``pre_logits`` take the class token."""
        x = self.head_drop(x[:, 0])
        return x if pre_logits else self.head(x)

    def get_classifier(self) -> nn.Module:
        """Return the classifier."""
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put a new classifier in the place of the old one; the pooling stays that of the class token."""
        self.num_classes = num_classes
        like = self.pos_embed
        self.head = nn.Linear(self.embed_dim, num_classes).to(like.device, like.dtype) if num_classes else nn.Identity()

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that timm's optimisers do not decay."""
        return {'pos_embed', 'cls_token', 'dist_token'}

    @property
    def _side(self) -> tuple[int, int]:
        height, width = self.native_shape
        return height * self.patch_size, width * self.patch_size


class FeatureMaps(nn.Module):
    """What timm's ``features_only`` gives: the feature maps of some blocks.

    Args:
        net: the backbone, whose maps are returned.
    """

    def __init__(self, net: MSViT):
        super().__init__()
        self.net = net
        maps = [dict(num_chs=net.embed_dim, reduction=net.patch_size, module=f'blocks.{i}') for i in net.out_indices]
        self.feature_info = FeatureInfo(maps, tuple(range(len(maps))))

    def forward(self, images: Tensor, fine_mask: Tensor | None = None) -> list[Tensor]:
        """Compute maps (B, C, Hf, Wf) of images (B, 3, H, W), coarse tokens replicated."""
        return list(self.net(images, fine_mask))


def _create(
    arch: str,
    pretrained: bool = False,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    pretrained_cfg: Any = None,
    cache_dir: Any = None,
    **kwargs: Any,
) -> nn.Module:
    kwargs.setdefault('img_size', _timm_cfg(arch).input_size[1:])
    if not features_only:
        return TimmMSViT(arch, pretrained=pretrained, **kwargs)
    of_classifiers = ('num_classes', 'drop_rate', 'pretrained_cfg_overlay')
    kwargs = {name: value for name, value in kwargs.items() if name not in of_classifiers}
    indices = (-3, -2, -1) if out_indices is None else tuple(out_indices)
    return FeatureMaps(MSViT(arch, out_type='featmap', out_indices=indices, pretrained=pretrained or None, **kwargs))


def _timm_cfg(arch: str) -> PretrainedCfg:
    cfg = timm.get_pretrained_cfg(arch)
    assert cfg is not None  # timm has a ViT of this name
    return cfg


def _entry(name: str, arch: str) -> Callable[..., nn.Module]:
    def create(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        return _create(arch, pretrained, **kwargs)

    create.__name__, create.__qualname__, create.__module__ = name, name, __name__
    create.__doc__ = f'`MSViT` on {arch} of timm: takes the arguments of `TimmMSViT`; with ``features_only`` gives maps.'
    return create


for _name, _arch in ENTRIES.items():
    register_model(_entry(_name, _arch))

"""mmseg's recipe for UPerNet on a ViT on ADE20K: upernet_swin_160k.py with a ViT's parameters without weight decay."""

_base_ = './upernet_swin_160k.py'

optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'pos_embed': dict(decay_mult=0.0),
            'cls_token': dict(decay_mult=0.0),
            'backbone.gate': dict(lr_mult=10.0, decay_mult=0.0),  # it learns from nothing
        }
    )
)

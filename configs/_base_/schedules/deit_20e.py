"""Fine-tuning a DeiT on ImageNet (section C.2): vit_20e.py with AdamW at 2e-5, a weight decay of 1e-8, no clipping.

The paper gives the rate, and calls the weight decay small; 1e-8 is that of DeiT's own fine-tuning.
"""

_base_ = './vit_20e.py'

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=2e-5, weight_decay=1e-8),
    clip_grad=None,
)

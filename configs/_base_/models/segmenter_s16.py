"""Segmenter-S/16 with a mask transformer on MSViT blocks, every region fine: the dense model that mixed scale starts from."""

_base_ = ['./segmentor_vit_s16.py', '../heads/segmenter.py']

model = dict(backbone=dict(out_type='tokens'), decode_head=_base_.decode_head)

"""digit_scenes_128x128.py with six to nine digits in the scenes for training, in data/digit_scenes_crowded.

A head that starts from nothing learns there what a digit is; among the one to three of an ordinary scene it learns background.
"""

_base_ = './digit_scenes_128x128.py'

crowded = dict(train=6000, val=300, size=128, seed=0, digits_per_scene=(6, 9), note_side=(24 / 128, 44 / 128))
train_dataloader = dict(dataset=dict(data_root='data/digit_scenes_crowded', build=crowded))

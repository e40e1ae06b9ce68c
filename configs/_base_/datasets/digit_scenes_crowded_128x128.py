"""digit_scenes_128x128.py, trained on the crowded scenes of crowded_scenes.py and tested on its own."""

_base_ = ['./digit_scenes_128x128.py', './crowded_scenes.py']

train_dataloader = dict(dataset=_base_.crowded)

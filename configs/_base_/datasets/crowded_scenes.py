"""Where and what the crowded DigitScenes are, six to nine digits in a scene of 128x128, for data sets to learn from.

A head that starts from nothing learns there what a digit is; among the one to three of an ordinary scene it learns background.
"""

crowded = dict(
    data_root='data/digit_scenes_crowded',
    build=dict(train=6000, val=300, size=128, seed=0, digits_per_scene=(6, 9), note_side=(24 / 128, 44 / 128)),
)

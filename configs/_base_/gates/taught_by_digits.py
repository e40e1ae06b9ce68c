"""taught_by_labels.py for DigitScenes: a small gate. Digits are read inside, and not at the edge of their note alone."""

_base_ = './taught_by_labels.py'

gate = dict(width=32, depth=1)
teach_gate = dict(iters=600, reuse=1, teacher=dict(objects=list(range(1, 11))))

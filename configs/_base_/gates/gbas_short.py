"""gbas.py for minutes of training: it starts with most regions fine, g* = 0.25."""

_base_ = './gbas.py'

gate = dict(init_p_fine=0.7)
gate_loss = dict(target=0.25)

"""gbas.py for training images of many sizes: one fixed prior for all regions, where GBaS learns one for each place."""

gate = dict(type='msvit.MLPGate', temperature=0.3)
gate_loss = dict(type='msvit.BaSLoss', target=0.5, temperature=0.3, weight=4.0)

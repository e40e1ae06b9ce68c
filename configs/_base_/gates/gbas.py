"""The learned gate of the paper (section C.3): a small MLP under GBaS, g* = 0.5, lambda = 4, six epochs of warm-up."""

gate = dict(type='msvit.MLPGate', temperature=0.3)
gate_loss = dict(type='msvit.GBaSLoss', target=0.5, temperature=0.3, hyperprior_variance=0.1, weight=4.0)
gate_warmup = dict(type='msvit.GateWarmupHook', epochs=6)

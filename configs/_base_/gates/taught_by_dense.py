"""A gate that sees its surroundings, taught first and alone by the dense model itself, then frozen."""

gate = dict(type='msvit.ContextGate', frozen=True)
teach_gate = dict(type='msvit.TeachGateHook', teacher=dict(type='msvit.DenseTeacher'), fine_share=0.48)

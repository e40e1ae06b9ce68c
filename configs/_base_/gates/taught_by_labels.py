"""A gate that sees its surroundings, taught first and alone by the label maps, then frozen."""

gate = dict(type='msvit.ContextGate', frozen=True)
teach_gate = dict(type='msvit.TeachGateHook', teacher=dict(type='msvit.LabelTeacher'), fine_share=0.54)

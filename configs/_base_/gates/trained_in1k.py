"""A gate from a finished run on ImageNet, 32-pixel regions, in ImageNet's normalisation: frozen, as in section E."""

gate = dict(type='msvit.TrainedGate', checkpoint='work_dirs/msdeit_s16_224x224_in1k/epoch_20.pth')

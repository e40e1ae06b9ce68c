"""The gate for 8-pixel regions that ships with the package, trained on CIFAR-10: frozen, as in section E."""

gate = dict(type='msvit.TrainedGate', checkpoint='msvit://gate_s8_cifar10.safetensors')

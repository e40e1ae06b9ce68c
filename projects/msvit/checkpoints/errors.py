"""The one error that the loading of weights raises when a file or its contents do not fit."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read safely, has an unknown layout, or does not fit the model."""

"""What cannot leave Python."""


class ExportError(ValueError):
    """A model has a part that cannot be exported; the message names it, says why and what to do."""

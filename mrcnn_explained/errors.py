"""The one kind of error that a user can mend."""


class InputError(ValueError):
    """Input that cannot be used: says what came, what was expected and what to do.

    The command line prints it and ends with exit code 2; nothing else does.
    """


class ImageError(InputError):
    """An image that cannot be used: what came, what was expected, what to do."""


class ConfigError(InputError):
    """A config that contradicts itself: the field, its value, and what would be valid."""

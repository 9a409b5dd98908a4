"""The one exception for input that a user can mend."""


class InputError(ValueError):
    """Bad input: the message says what is wrong, where, and how to mend it.

    Stages and command lines print the message alone, without a traceback, and exit with status 1.
    """

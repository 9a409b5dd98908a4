"""The one exception for input that a user can mend, and how every command line tells it."""

import sys
from collections.abc import Callable
from typing import Any

import typer


class InputError(ValueError):
    """Bad input: the message says what is wrong, where, and how to mend it.

    Stages and command lines print the message alone, without a traceback, and exit with status 1.
    """


def report_errors(command: Callable[[], Any]) -> None:
    """Run a command; bad input is told in one message, without a traceback, and exits with status 1."""
    try:
        command()
    except InputError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)

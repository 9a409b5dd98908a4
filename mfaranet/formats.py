"""Which form stored files have, so that one of another version is read, or refused with the version named.

The policy is in docs/reliability.md.
"""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mfaranet.errors import InputError

FORMAT = 1
"""Of checkpoints and stored tables: counted up where the code before would read such a file wrongly, or not at all.

1 is that of mfaranet 0.1.0. What was written before has none, and is read as 1.
"""
KEY = "format"


def check_format(content: Mapping[str, Any], path: Path) -> None:
    """Of what was read from ``path``.

    Raises:
        InputError: it is of a later version.
    """
    found = content.get(KEY, FORMAT)
    if not isinstance(found, int) or found > FORMAT:
        raise InputError(
            f"{path} has format {found!r}, and mfaranet {version('mfaranet')} reads up to {FORMAT}: "
            "install the version that wrote it, or make the file anew with this one"
        )

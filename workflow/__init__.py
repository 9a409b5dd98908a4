"""The stages of dvc.yaml, each a module of its name: ``python -m workflow.<stage>``, in the repository's root."""

import mfaranet  # noqa: F401 - before torch, as it says how threads wait

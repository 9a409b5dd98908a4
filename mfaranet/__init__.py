"""MFARANet and the pipeline around it."""

import importlib
import os
from typing import TYPE_CHECKING, Any

# OpenMP's threads spin while they wait for each other, and take the cores of whoever else is at work; after so many
# turns they sleep. Read when torch is loaded; measured by benchmarks/threads.py.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

if TYPE_CHECKING:
    from mfaranet.deployment.deploy import deploy
    from mfaranet.measure.complexity import complexity
    from mfaranet.models import get_model, list_models, register_model
    from mfaranet.models.pruned import prune
    from mfaranet.predict.predictor import load
    from mfaranet.weights.official import load_official_checkpoint

_HOMES = {
    "complexity": "measure.complexity",
    "deploy": "deployment.deploy",
    "get_model": "models",
    "list_models": "models",
    "load": "predict.predictor",
    "load_official_checkpoint": "weights.official",
    "prune": "models.pruned",
    "register_model": "models",
}
__all__ = [
    "complexity",
    "deploy",
    "get_model",
    "list_models",
    "load",
    "load_official_checkpoint",
    "prune",
    "register_model",
]


def __getattr__(name: str) -> Any:
    # Networks need torch, which takes seconds to import; settings and tables do not.
    if name in _HOMES:
        return getattr(importlib.import_module(f"mfaranet.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

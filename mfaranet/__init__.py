"""MFARANet and the pipeline around it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfaranet.models import get_model, list_models
    from mfaranet.official import load_official_checkpoint

__all__ = ["get_model", "list_models", "load_official_checkpoint"]


def __getattr__(name: str) -> Any:
    # Networks need torch, which takes seconds to import; settings and tables do not.
    if name in __all__:
        from mfaranet import models, official

        return getattr(official if name == "load_official_checkpoint" else models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

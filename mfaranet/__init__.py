"""MFARANet and the pipeline around it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfaranet.models import get_model, list_models

__all__ = ["get_model", "list_models"]


def __getattr__(name: str) -> Any:
    # Networks need torch, which takes seconds to import; settings and tables do not.
    if name in __all__:
        from mfaranet import models

        return getattr(models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

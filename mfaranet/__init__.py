"""MFARANet and the pipeline around it."""

from mfaranet.models import get_model, list_models

__all__ = ["get_model", "list_models"]

"""Trained networks on images: in Python, and for `mfaranet predict` on files, folders and videos."""

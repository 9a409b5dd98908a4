"""Faults that are really injected into a small copy of the project, and what must hold after each (see trial).

python -m tests.faults [--seed N] [--only KIND ...]   # or make faults
"""

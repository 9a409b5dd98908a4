"""Bad input by the thousand: made at random from a seed, and what must hold for each (see tests.fuzz.trial).

python -m tests.fuzz [--cases N] [--seed N]   # or make fuzz
"""

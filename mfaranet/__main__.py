"""``python -m mfaranet``: the command line `mfaranet` of this folder's code, whichever is installed."""

from mfaranet.cli import main

main()

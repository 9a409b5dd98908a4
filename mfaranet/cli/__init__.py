"""The command line `mfaranet`: in each module the commands of one kind, as functions whose hints are the options."""

from mfaranet.cli.app import app as app
from mfaranet.cli.app import main as main

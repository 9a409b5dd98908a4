"""What a machine and a folder lack for the pipeline, each with how to mend it, for `mfaranet doctor`."""

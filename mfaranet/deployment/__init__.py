"""Networks made ready for use, here and elsewhere."""

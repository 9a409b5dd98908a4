"""Readers of data sets, each to the one prepared form."""

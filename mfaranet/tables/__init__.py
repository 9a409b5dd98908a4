"""Tables of results, and where each cell came from."""

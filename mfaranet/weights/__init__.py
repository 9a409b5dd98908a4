"""Weight files: ours, the authors', downloads."""

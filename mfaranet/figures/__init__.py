"""The figures, from stored results: legible at column width, and to the colour-blind."""

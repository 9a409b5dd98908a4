"""Data sets: each is brought into one prepared form, checked image by image, before anything uses it."""

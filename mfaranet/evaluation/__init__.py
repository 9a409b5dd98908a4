"""How well a trained network does."""

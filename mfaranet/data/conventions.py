"""Numbers that data, networks, losses and metrics must agree on."""

IGNORE_INDEX = 255
"""Label of a pixel that counts nowhere."""

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet, RGB in 0..1: what is taken out of an image before the network sees it."""

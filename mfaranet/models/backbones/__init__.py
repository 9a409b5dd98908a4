"""Image encoders: images in, a list of feature maps at 1/4, 1/8, 1/16 and 1/32 out."""

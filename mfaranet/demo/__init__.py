"""A page on this machine where a trained network segments a picture, a video or the camera."""

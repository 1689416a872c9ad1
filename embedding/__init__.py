"""Hostile bytes become unit vectors. In the order in which an image meets the files:

image          an image: its source, facts of its file, why it cannot be looked at (plain values, no library)
fetch/         source → bytes, within the operator's limits
picture        a decoded picture (plain values)
decode/        bytes → upright sRGB pixels, as a viewer would show them
encoder        the protocol of all encoders, their fingerprint, and why there is none
local/         local features: keypoints and their descriptors; no torch
pdq            Meta's perceptual hash as a unit vector; needs no weights
network/       vectors from neural networks: words, OpenCLIP, timm
look           pictures → views: vectors, keypoints, mirror images
allocator      free memory goes back to the system
choose         the encoder that the settings name
probe          one known picture (probe.png), to see that the numbers are still those of the sets
probe_drawn    the script that drew it
"""

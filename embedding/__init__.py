"""Hostile bytes become unit vectors. In the order in which an image meets the files:

source      where an image's bytes are, and why an image cannot be looked at (plain values, no library)
fetch       source → bytes, within the operator's limits
decode      bytes → RGB pixels as a viewer would see them
encoder     the protocol of all encoders, and their fingerprint
pdq         Meta's perceptual hash as a unit vector; needs no weights
openclip    any OpenCLIP model with a local checkpoint
choose      the encoder that the settings name
"""

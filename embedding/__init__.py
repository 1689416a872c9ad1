"""Hostile bytes become unit vectors. In the order in which an image meets the files:

source         where an image's bytes are, and why an image cannot be looked at (plain values, no library)
fetch          source → bytes, within the operator's limits
address        which addresses are permitted (pure)
web            address → bytes, under one deadline
decode         bytes → RGB pixels as a viewer would see them
frames         how many frames a file has
jpeg           JPEG → pixels in the quickest way, reduced where that is permitted
colour         any colour mode, profile and orientation → upright sRGB
encoder        the protocol of all encoders, and their fingerprint
keypoints      corners and their ORB descriptors
features       keypoints as one compact value
words          learned visual words of the keypoints, summed up (words.safetensors); needs no weights of anybody
pdq            Meta's perceptual hash as a unit vector; needs no weights
openclip       any OpenCLIP model with a local checkpoint
tower          its image tower and how pictures are prepared for it
backbone       any model of timm with a local checkpoint
weights        weights of either, out of a file that may be anyone's
prepare        resize and crop as the network's own transform has them
network        pictures → unit vectors through a network that has its weights
precision      numeric types that are worth a try on this machine
ways           the ways to compute a network, and which of them this machine takes
vit            a vision transformer's weights by the part that each plays
packed         a vision transformer on the processor in fewer and larger steps
gpu            what differs on a GPU
allocator      free memory goes back to the system
choose         the encoder that the settings name
encoder_error  why there is none
probe          one known picture (probe.png), to see that the numbers are still those of the sets
probe_drawn    the script that drew it
"""

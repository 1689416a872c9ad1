"""Vectors from neural networks.

words           learned visual words of the keypoints, summed up (words.safetensors); needs no weights of anybody
openclip        any OpenCLIP model with a local checkpoint
openclip_tower  its image tower and how pictures are prepared for it
timm            any model of timm with a local checkpoint
weights         weights of either, out of a file that may be anyone's
preprocess      resize and crop as the network's own transform has them
network         pictures → unit vectors through a network that has its weights
precision       numeric types that are worth a try on this machine
backends        the ways to compute a network, and which of them this machine takes
vit             a vision transformer's weights by the part that each plays
packed_vit      a vision transformer on the processor in fewer and larger steps
gpu             what differs on a GPU
"""

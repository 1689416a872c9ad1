"""Local features of a picture, and the vector of their visual words. Imports without torch.

keypoints  corners and their ORB descriptors
features   keypoints as one compact value
words      the encoder `words`: visual words of the keypoints, summed up (words.safetensors)
"""

"""Local features of a picture. Imports without torch.

keypoints  corners and their ORB descriptors
features   keypoints as one compact value
"""

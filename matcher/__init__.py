"""Vectors become matches, matches become a decision. In the order in which an image meets the files:

judge           the straight line for one batch: images in, verdicts out
workers         the threads that do its work, one per core
embed           a part of the batch on its worker: fetch, decode, encode
duplicates      recent embeddings, so that exact duplicates are not embedded again
search          per set: search, then check what was found
keypoint_cache  keypoints of references that were checked recently
check/          the geometric check
evidence        what it says of a candidate
decide          what the matches of all sets mean together (pure)
compose         an image on its way, and the verdict on it
verdict         the published model and its JSON Schema
explain         why a set matched or not, for a person to look at
"""

"""Vectors become matches, matches become a decision. In the order in which an image meets the files:

judge       the straight line for one batch: images in, verdicts out
workers     the threads that do its work, one per core
embed       a part of the batch on its worker: fetch, decode, encode
recent      what was made of images of late, so that exact duplicates are not embedded again
examine     per set: search, then check what was found
shelf       keypoints of references that were checked lately
propose     which references may lie in the image at all (pure)
align       the map that lays a reference into it (pure)
verify      the geometric check: does a reference lie in the image, and where (pure)
evidence    what it says of a candidate
decide      what the matches of all sets mean together (pure)
compose     an image on its way, and the verdict on it
verdict     the published model and its JSON Schema
explain     why a set matched or not, for a person to look at
"""

"""From images to matches to decisions. The files, in the order in which an image passes through them:

judge           judges one batch: images in, verdicts out
workers         the threads that do the work, one per core
demand          what the sets in force need of an image
embed           one part of a batch on its worker: fetch, decode, encode
duplicates      recent embeddings, so that exact duplicates are not embedded again
depth           how many neighbours are checked in a set of some size (pure)
search          per set: searches, and reads the keypoints of what was found
keypoint_cache  keypoints of recently checked references
keypoint_file   what is stored of many more references, on the disk
check/          the geometric check
candidates      what was found in all sets, checked together (pure)
whole           allowed pictures in the whole, and harmful ones that second looks find in their parts (pure)
views           candidates of a picture's views as those of the whole picture (pure)
evidence        the check's result for a candidate
levels          the level that each candidate reaches, and what lowers it (pure)
veto            whether an allowed picture cancels a harmful match (pure)
corroborate     matches of other encoders that corroborate a harmful match (pure)
decide          the decision from the matches of all sets (pure)
compose         builds the verdict on an image
verdict         the published model of a verdict and its JSON Schema
explain         why a set matched or not, for a person
"""

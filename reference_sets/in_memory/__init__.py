"""What is compared in memory and not by Milvus, which only stores it.

constants    its names (plain values)
up_to_date   what is kept in memory of each set, brought up to date when the set has changed
digest_table digests of files: the references' own, and lists of MD5, SHA-1 and SHA-256
hashes       the perceptual hashes of one set
on_disk      copies of them in files
hash_table   finds perceptual hashes: in lists of them, and in sets of pictures that only their hash decides on
"""

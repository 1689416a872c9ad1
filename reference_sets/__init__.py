"""What is known: sets of references. In the order in which data meets the files:

model        a set, its thresholds, a reference, a neighbour (plain values)
defaults     what a set is made with for each encoder, if nothing else is said
description  what describes a set, written and read in one call
rows         fields and rows, and the checks that Milvus leaves out
session      calls that wait, reload and tell in a sentence what is wrong
store        make, fill, change, search sets
in_force     the sets as the service uses them: versions, thresholds and kinds of one moment
add          pictures of files and folders → references of a set
sight        pictures as a set compares them: vectors, keypoints, mirror images
parquet      a set as a Parquet file, out and in
"""

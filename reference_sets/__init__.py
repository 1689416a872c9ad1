"""What is known: sets of references. In the order in which data meets the files:

model        a set, its thresholds, a reference, a neighbour (plain values)
errors       what can be wrong with a set, as a tree
defaults     a new set, with what its encoder has if nothing else is said
description  what describes a set, as texts under keys: a format that grows by adding
names        which collection is the set of a name
rows         fields and rows, and checks of what Milvus does not check
claims       no two writers publish the same version of a set
catalogue    sets by their names: make, describe, list, drop
store        the same, and their references: add, remove, read, search
in_force     the sets as the service uses them: versions, thresholds and kinds of one moment
parts        what a set keeps of a picture
files        paths → files and their labels
add          pictures of files → references of a set
parquet      a set as a Parquet file, out and in
"""

"""The known pictures: sets of references. The files, from the model to the commands:

model        a set, its thresholds, a reference, a neighbour (plain values)
errors       what can be wrong with a set
defaults     the defaults of a new set, which depend on its encoder
description  the description of a set as keys and texts: a format that grows by adding
names        which collection is the set with a name
rows         columns and rows, and checks of what Milvus does not check
claims       no two writers publish the same version of a set
catalogue    creates, describes, lists and drops sets by their names
store        does the same, and adds, removes, reads and searches references
digest_table digests of the references' files, in memory
in_force     the sets that the service uses: versions, thresholds and kinds of one moment
parts        what a set stores of a picture
files        paths → files and their labels
add          picture files → references of a set
parquet      writes a set to a Parquet file, and reads it
"""

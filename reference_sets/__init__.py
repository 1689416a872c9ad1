"""The known pictures: sets of references. The files, from the model to the commands:

model        a set, its thresholds, a reference, a neighbour (plain values)
errors       what can be wrong with a set
defaults     the defaults of a new set, which depend on its encoder
check_scales scales of the check's scores: thresholds of earlier ones are carried over
texts        values of a description as texts
indexes      how a set is searched: exactly, or by an approximate index
description  the description of a set as keys and texts: a format that grows by adding
names        which collection is the set with a name
rows         columns and rows, and checks of what Milvus does not check
claims       no two writers publish the same version of a set
catalogue    creates, describes, lists and drops sets by their names
lookup       does the same, and finds references by their ids, labels, digests and sources
store        does the same, and adds, changes, removes, reads and searches references
restrict     disables single references, or limits them to review, and lifts that again
in_memory/   what is compared in memory and not by Milvus: digests of files, lists of hashes
hash_lists/  lists of hashes as exchanges and programs write them, and the sets that hold them
planted      planted copies, which tell how many an approximate index misses
choose_index gives a set an approximate index, if it finds enough and saves time
canary       planted copies in production: whether an approximate index still finds enough
backgrounds  sets that similarities are normalised with: whether one can be used
in_force     the sets that the service uses: versions, thresholds and kinds of one moment
parts        what a set stores of a picture
files        paths → files and their labels
opened       opens picture files, several at a time
add          picture files → references of a set
parquet      writes a set to a Parquet file, and reads it
"""

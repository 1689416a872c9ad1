"""The known pictures: sets of references. The files, from the model to the commands:

model        a set, its thresholds, a reference, a neighbour (plain values)
in_memory    names of what is compared in memory and not by Milvus
errors       what can be wrong with a set
defaults     the defaults of a new set, which depend on its encoder
texts        values of a description as texts
description  the description of a set as keys and texts: a format that grows by adding
names        which collection is the set with a name
rows         columns and rows, and checks of what Milvus does not check
claims       no two writers publish the same version of a set
catalogue    creates, describes, lists and drops sets by their names
lookup       does the same, and finds references by their ids, labels, digests and sources
store        does the same, and adds, changes, removes, reads and searches references
up_to_date   what is kept in memory of each set, brought up to date when the set has changed
digest_table digests of files, in memory
hash_table   lists of perceptual hashes, searched in memory
backgrounds  sets that similarities are normalised with: whether one can be used
hash_lists/  readers and writers of lists of hashes, as exchanges and programs write them
hash_sets    sets that are lists of hashes
survey       what a hash list says in the end, before anything is written
import_hashes hash lists → sets of hashes
export_hashes sets of hashes → hash lists
in_force     the sets that the service uses: versions, thresholds and kinds of one moment
parts        what a set stores of a picture
files        paths → files and their labels
opened       opens picture files, several at a time
add          picture files → references of a set
parquet      writes a set to a Parquet file, and reads it
"""

"""What is known: sets of references, one Milvus collection each. In the order in which data meets the files:

model       a set, its thresholds, a reference, a neighbour (plain values)
errors      what can go wrong, as a tree
patience    how long a call waits for a dependency that is away
store       the only door to Milvus: make, fill, change, search sets
  session     calls that wait, reload and tell in a sentence what is wrong
  client      opens a connection and sorts its errors into "away" and "mend this"
  lite        Milvus Lite inside this process
    lite_rows   its searches read what is asked for of a row
  repair      a collection made ready, whatever a kill left behind
  properties  what describes a set, written and read in one call
  schema      fields and rows, and the checks that Milvus leaves out
look        the sets as the service sees them: versions, thresholds and kinds of one moment
gather      pictures of files and folders → references of a set
  sight       pictures as a set compares them: vectors, keypoints, mirror images
  defaults    what a set is made with for each encoder, if nothing else is said
exchange    a set as a Parquet file, out and in
lite_server a Milvus Lite file served on loopback, for several processes of one machine
"""

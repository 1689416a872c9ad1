"""What is known: sets of references, one Milvus collection each. In the order in which data meets the files:

model       a set, its thresholds, a reference, a neighbour (plain values)
patience    how long a call waits for a dependency that is away
store       the only place that talks to Milvus
look        the sets as the service sees them: versions, thresholds and kinds of one moment
gather      pictures of files and folders → references of a set
exchange    a set as a Parquet file, out and in
lite_server a `milvus-lite server` on loopback, for several processes of one machine
"""

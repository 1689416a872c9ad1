"""What is measured and proved from outside, on real services. Run each with `python -m benchmarks.NAME`.

chaos   kills, stalls and restarts workers, brokers and Milvus, then counts lost and doubled verdicts
        chaos_events   what goes in: small real pictures and odd records, each with an id
        chaos_setup    what runs: brokers, Milvus, and workers as processes of their own
        chaos_faults   what goes wrong: a plan drawn from a seed, and its execution
        chaos_progress how far the group has come meanwhile
        chaos_count    what came out: read by an independent client, counted by a pure function
        sabotage       a worker that leaves out one precaution, so that the count can be seen to fail
service what Kafka and exactly-once cost: images per second through a broker against in this process
latency how long a verdict takes at shares of what the service can do
        stream          what both run: a broker, Milvus, a set, `vigilens run`
        no_transactions `vigilens run` without transactions
search  what a search costs: sets of 1k to 1M references on Milvus Lite and on a server
        search_places   Milvus Lite and the server as processes, with their memory, processor time and disk
throughput  from a JPEG's bytes to its vector: ours, a naive loop, and a loader of the usual shape
        throughput_ways the ways, each with its own threads; memory after many pictures
profile where the time of an image goes: the picture in docs/performance.md
jpegs   pictures as users send them, made at run time
weights ViT-B-32 with random weights
processes  a process of its own for each way, with its own number of threads
machine processor, memory and versions, beside every figure of time; who else is busy
copies  which edited copies are found in a folder of pictures, each way of finding them beside the others
        copies_options  the options of copies and copies_thresholds, and the choice of pictures
        copies_pictures a folder: references, their copies, unrelated pictures
        copies_finder   encoder, set in Milvus Lite, shortlist and check, as in the service
        copies_count    recall, average precision and threshold: pure functions
        copies_thresholds  scores that unrelated pictures reach: a command of its own
        copies_figure   the picture in docs/copies.md: a command of its own
        copies_report   a table, a plot, JSON
"""

"""Measurements and proofs on real services. Run each with `python -m benchmarks.NAME`.

chaos   kills, stalls and restarts workers, brokers and Milvus, then counts lost and doubled verdicts
        chaos_events   the input: small real pictures and odd records, each with an id
        chaos_setup    the processes besides the brokers: Milvus and workers
        chaos_faults   the faults: a plan drawn from a seed, and its execution
        chaos_progress polls the offsets that the group has committed
        chaos_count    the output: read by an independent client, counted by a pure function
        chaos_judge    judges the same events once more, undisturbed
        sabotage       a worker without one precaution, to show that the count finds its absence
service the cost of Kafka and exactly-once: images per second through a broker against in this process
otlp    what OpenTelemetry costs
breaker what the breaker costs
latency how long a verdict takes at shares of the service's capacity
        stream          what both run: a broker, Milvus, a set, `vigilens run`
        no_transactions `vigilens run` without transactions
takeover  how long partitions are without an owner after a kill -9; whether a busy group loses members
        takeover_setup   a broker, Milvus, and workers with names
        takeover_worker  `vigilens run` that can be killed within a transaction
        takeover_load    two workers kept busy, and stalled
outage  what a real Prometheus sees while Milvus is away, and after a worker is killed
        outage_figure    the picture in docs/alerts.md, before and after: a separate command
        dashboard_figure the picture of the dashboard in docs/alerts.md: a separate command
soak    a long run on mixed and hostile pictures: one verdict each, memory, open files, processes
search  the cost of a search: sets of 1k to 1M references on Milvus Lite and on a server
        search_hashes   lists of hashes, which are searched in memory
        search_places   Milvus Lite and the server as processes, with their memory, processor time and disk
indexes approximate indexes beside exact search: planted copies that they find, cost, and the recall canary
throughput  from a JPEG's bytes to its vector: the service, a naive loop, and a typical data loader
        throughput_ways the ways to compare, each with its own threads; memory after many pictures
profile where the time of an image goes: the picture in docs/performance.md
jpegs   pictures as users send them, made at run time
weights ViT-B-32 with random weights
processes  a separate process for each way, with its own number of threads
machine processor, memory and versions, printed with every figure of time; load from other programs
copies  which edited copies are found in a folder of pictures, a comparison of the ways to find them
        copies_options  the options of copies and copies_thresholds, and the choice of pictures
        copies_trial    what is known and what is asked; one way's answers
        copies_pictures a folder: references, their copies, unrelated pictures
        copies_documents   generated documents: references, their copies, others of the same kind
        copies_distractors more references, made in several processes
        copies_finder   encoder, set in Milvus Lite, shortlist and check, as in the service
        copies_count    recall, average precision and threshold: pure functions
        copies_thresholds  scores that unrelated pictures reach: a separate command
        copies_figure   the picture in docs/copies.md: a separate command
        copies_report   a table, a plot, JSON
"""

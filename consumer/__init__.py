"""Kafka in, Kafka out, exactly once. In the order in which an event passes through the files:

topics      checks that the topics exist and take records of the sizes that we send
clients     Kafka clients with the settings that exactly-once needs
kafka_patches  patches for what kafka-python does wrong or slowly
images_topic  the images topic as the brokers describe it: is it there, and is it the same one?
offsets     where reading begins: the group's committed offsets
notes       what the metadata of a committed offset says
record_batches  a record batch → its records, with a limit on its size
decompression  the codecs of record batches, in steps
attempts    finds the event that ends whole processes, and gives it up
silence     tells a quiet topic from brokers that are away and a client that has stalled
intake      polls, and closes batches
batch       events with the offsets and the membership under which they may be committed
events      a record of the input topic → an image to judge
event_body  an event as a JSON object: its model, its schema, and what is wrong with it in plain words
loop        take, judge, publish, rewind, stop: the main loop, on one screen
publish     publishes a judged batch: its records in a transaction, then its Prometheus metrics and log line
transaction  verdicts, metrics and offsets in one transaction
records     what a verdict and a batch's metrics look like as Kafka records
metric_names  every Prometheus metric, each with its help text
metrics     the metrics' values, and what the service waits for
http_server  the port for Prometheus and probes: /metrics, /live, /ready
logs        log lines as text or JSON
lifecycle   signals, the process's instance name, the watchdog
service     the wiring of the service: start in order, stop in reverse
"""

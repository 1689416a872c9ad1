"""Kafka in, Kafka out, exactly once. In the order in which an event passes through the files:

topics      checks that the topics exist and take records of the sizes that we send
broker_limits  what the brokers' settings mean for sessions and transactions
clients     Kafka clients with the settings that exactly-once needs
kafka_errors  errors of the client as sentences with the brokers' addresses
kafka_patches  patches for what kafka-python does wrong or slowly
predecessors  takes a killed process of our name out of the group
images_topic  the images topic as the brokers describe it: is it there, and is it the same one?
offsets     where reading begins: the group's committed offsets
notes       what the metadata of a committed offset says
record_batches  a record batch → its records, with a limit on its size
decompression  the codecs of record batches, in steps
membership  our membership of the group, and the errors that end it
attempts    finds the event that ends whole processes, and gives it up
jumps       notices when the client goes on at another offset, because retention was faster
silence     tells a quiet topic from brokers that are away and a client that has stalled
intake      polls, and closes batches
batch       events with the offsets and the membership under which they may be committed
trace_context  the trace that an event belongs to
events      a record of the input topic → an image to judge
event_body  an event as a JSON object: its model, its schema, and what is wrong with it in plain words
loop        take, judge, publish, rewind, stop: the main loop, on one screen
publish     publishes a judged batch: its records in a transaction, then its Prometheus metrics and log line
transaction  verdicts, metrics and offsets in one transaction
records     what a verdict and a batch's metrics look like as Kafka records
raised      the alerts that the service raises, until they are published
alerts      what somebody should know or do, as records of the alerts topic
metric_names  every Prometheus metric, each with its help text
metrics     the metrics' values, and what the service waits for
progress    how far the loop is, as plain numbers
group       the group and its topic as the brokers see them
monitor     measures what waits, on a timer, whatever the loop does
otlp/       metrics and traces for an OpenTelemetry collector
sets_watch  looks at the sets now and then, so that a quiet service notices too what is wrong
http_server  the port for Prometheus and probes: /metrics, /live, /ready
logs        log lines as text or JSON
lifecycle   signals, the process's instance name, the watchdog
service     the wiring of the service: start in order, stop in reverse
"""

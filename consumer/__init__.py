"""Kafka in, Kafka out, exactly once. In the order in which an event meets the files:

topics      are the topics there, and fit for the sizes that we send
clients     Kafka clients with the settings that exactly-once needs
kafka_patches  what kafka-python does wrong or slowly, put right from outside
intake      polls, and closes batches
batch       events with the offsets and the membership under which they may be committed
events      a record of the input topic → an image to judge
loop        take, judge, publish; fenced, stop: one screen
publish     the way out of a judged batch: its records, their transaction, the numbers, its line
transaction  verdicts, metrics and offsets in one transaction
records     what a verdict and a batch's metrics look like as Kafka records
metric_names  every Prometheus metric, a comment each
metrics     the metrics' values, and what the service waits for
http_server  the port for Prometheus and probes: /metrics, /live, /ready
logs        one line per batch, text or JSON
lifecycle   signals, the slot's name, the watchdog
service     the wiring of the service: start in order, stop in reverse
"""

"""Kafka in, Kafka out, exactly once. In the order in which an event meets the files:

connect     how a Kafka client reaches the brokers
topics      are the topics there, and fit for the sizes that we send
member      the client with which we are in the consumer group
intake      polls, and closes batches
batch       events with the offsets and the membership under which they may be committed
header_names  lets records with odd header names be read
receive     lets more bytes be received at a time
mend        lets partitions be read on where Kafka's client would stop
events      a record of the input topic → an image to judge
loop        take, judge, publish; fenced, stop: one screen
outlet      the way out of a judged batch: its records, their transaction, the numbers, its line
publish     verdicts, metrics and offsets in one transaction
records     what a verdict and a batch's metrics look like as Kafka records
metric_names  every Prometheus metric, a comment each
metrics     the metrics' values, and the port that shows them
logs        one line per batch, text or JSON
lifecycle   signals, the slot's name, the watchdog
service     the wiring of the service: start in order, stop in reverse
"""

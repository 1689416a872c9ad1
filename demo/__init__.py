"""The guided demo: a real broker, harmless pictures that play the part of known ones, the service, a report.

In the order in which things happen:

    jars, leash, broker     a Java runtime and Kafka from packages; children that die with us; the cluster
    pictures                the photographs inside scikit-image, and the part that each of them plays
    edits, frames, odd      what people do to pictures; values that no service should stumble over
    stream                  which picture, in which edit and wire format, in an order that a seed decides
    service                 Milvus and `vigilens run` as processes of their own
    wire                    events to Kafka, verdicts and metrics from Kafka
    live                    what is to be seen on the terminal meanwhile
    tour                    all of it, step by step
    summary                 what came of it, counted against the truth
    thumbs, cards, report   report.html
"""

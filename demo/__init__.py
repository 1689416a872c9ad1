"""The guided demo: a real broker, harmless pictures that play the part of known ones, the service, a report.

In the order in which things happen:

    jars, leash, broker     a Java runtime and Kafka from packages; children that die with us; the cluster
    pictures                the photographs inside scikit-image, and the part that each of them plays
    edits, frames, odd      what people do to pictures; values that no service should stumble over
    stream                  which picture, in which edit and wire format, in an order that a seed decides
    sets                    the three sets, made as the command line makes them
    service                 `vigilens run` in a process of its own
    stage                   broker, Milvus, sets and service, started in order
    wire                    events to Kafka, verdicts and metrics from Kafka
    show, live              events out, verdicts in; what is to be seen of them on the terminal
    summary                 what came of them, counted against the truth
    overlays                where the known picture lies in an incoming one
    pdq_alone               what a perceptual hash alone finds of the same
    thumbs, cards, report   report.html
    tour                    all of it, step by step
"""

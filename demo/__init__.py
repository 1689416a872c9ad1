"""The guided demo: a real broker, harmless pictures that stand for known harmful ones, the service, a report.

In the order in which things happen:

    pictures                   the photographs in scikit-image, and the role of each
    edits, bad_inputs          the edits that people make to pictures; values that must not stop the service
    stream                     the events: which picture, with which edit and wire format, in an order set by a seed
    sets                       creates the three sets as the command line does
    setup                      starts broker, Milvus, sets and service, in this order
    kafka_io                   sends events to Kafka, reads verdicts and metrics from Kafka
    exchange, terminal         sends events and receives verdicts; prints them
    summary                    compares each verdict with the truth, and counts the outcomes
    overlays                   finds where the known picture lies in an incoming one
    pdq_alone                  finds what a perceptual hash alone would find
    thumbnails, cards, report  make report.html; card.html and report.html are its templates
    tour                       the whole demo, step by step
    command                    `vigilens demo`
"""

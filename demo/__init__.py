"""The guided demo: a real broker, harmless pictures that stand for known harmful ones, the service, a report.

In the order in which things happen:

    pictures                   the photographs in scikit-image, and the role of each
    edits, bad_inputs          what people do to pictures; values that must not stop a service
    stream                     which picture, with which edit and wire format, in an order set by a seed
    sets                       the three sets, created as the command line does it
    setup                      starts broker, Milvus, sets and service, in this order
    kafka_io                   events to Kafka, verdicts and metrics from Kafka
    exchange, terminal         sends events and receives verdicts; prints them
    summary                    the outcome of each event, counted against the truth
    overlays                   where the known picture lies in an incoming one
    pdq_alone                  what a perceptual hash alone finds
    thumbnails, cards, report  what report.html shows; card.html and report.html are its templates
    tour                       the whole demo, step by step
"""

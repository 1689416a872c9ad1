"""The guided demo: a real broker, harmless pictures that play the part of known ones, the service, a report.

In the order in which things happen:

    pictures                   the photographs inside scikit-image, and the part that each of them plays
    edits, bad_inputs          what people do to pictures; values that no service should stumble over
    stream                     which picture, in which edit and wire format, in an order that a seed decides
    sets                       the three sets, made as the command line makes them
    setup                      broker, Milvus, sets and service, started in order
    kafka_io                   sends events; reads verdicts and metrics
    show, terminal             events out, verdicts in; what is printed of them
    summary                    the results, counted against the truth
    overlays                   where the known picture lies in an incoming one
    pdq_alone                  what a perceptual hash alone finds of the same
    thumbnails, cards, report  report.html
    tour                       all of it, step by step
"""

"""A trace for each committed batch: a span for the batch, one for each of its stages, links to its events' traces."""

from collections.abc import Iterator, Sequence
from itertools import islice

from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, Tracer, set_span_in_context

from consumer.batch import Event
from consumer.otlp.committed import Committed

MOST_LINKS = 128  # of a span, as OpenTelemetry limits them


def trace(tracer: Tracer, group: str, done: Committed) -> None:
    """Record a batch.

    A stage is from the beginning of its first part to the end of its last one, so stages overlap; the seconds of work,
    all workers together, are an attribute. What lies between the stages is waiting: for workers, for older batches.

    Args:
        tracer: makes spans.
        group: of the service.
        done: the batch.
    """
    attributes: dict[str, str | int | float] = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": done.batch.events[0].partition.topic,
        "messaging.consumer.group.name": group,
        "messaging.batch.message_count": len(done.batch.events),
        "vigilens.events_with_trace": sum(event.trace is not None for event in done.batch.events),
    }
    found = islice(links(done.batch.events), MOST_LINKS)
    span = tracer.start_span(
        "batch", kind=SpanKind.CONSUMER, links=list(found), attributes=attributes, start_time=_ns(done.batch.taken_at)
    )
    inside = set_span_in_context(span)
    for stage, (first, last) in done.judged.when.items():
        work = {"vigilens.work_seconds": done.judged.seconds[stage]}
        tracer.start_span(stage, inside, attributes=work, start_time=_ns(first)).end(_ns(last))
    tracer.start_span("publish", inside, start_time=_ns(done.publish_at)).end(_ns(done.committed_at))
    span.end(_ns(done.committed_at))


def links(events: Sequence[Event]) -> Iterator[Link]:
    """Links to the spans that sent the events, each once; only if their senders record them.

    The exporter does not send the `tracestate` of links, so they have none.
    """
    known = set()
    for event in events:
        if event.trace and event.trace.sampled and event.trace not in known:
            known.add(event.trace)
            yield Link(
                SpanContext(
                    int(event.trace.trace_id, 16),
                    int(event.trace.span_id, 16),
                    is_remote=True,
                    trace_flags=TraceFlags(TraceFlags.SAMPLED),
                )
            )


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)

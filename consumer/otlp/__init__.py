"""Metrics and traces for an OpenTelemetry collector. Needs the extra `otlp`; without an endpoint nothing is imported.

switch       sends if an endpoint is set, else does nothing
committed    a batch whose transaction is committed
sender       the thread that sends both; what cannot be sent is counted and forgotten
metric_data  the Prometheus metrics as OpenTelemetry's metrics
batch_trace  a trace for each batch, with links to the traces of its events
"""

"""Readers of what the service has written, beside the stream of images. The service never depends on them.

breaker/  limits a reference that matches far too often to review, and tells it
notify/   sends alerts to a webhook, each at least once
"""

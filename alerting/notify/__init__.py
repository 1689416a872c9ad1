"""Sends the records of the alerts topic to a webhook, each at least once.

alert       a record of the alerts topic, as far as we understand it
bodies      an alert → the request's body, in the shape that the receiver expects
webhook     one request: signed, and what its answer means
sender      reads, sends, waits, commits
"""

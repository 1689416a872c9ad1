"""Source → bytes, within the operator's limits.

fetcher  bytes in the event, files below a root folder, addresses on permitted hosts
address  which addresses are permitted (pure)
web      address → bytes, under one deadline and one limit of bytes
connect  a connection to the first of a host's IP addresses that accepts, and the deadline
failures  why a fetch failed, as one sentence
resources  what this process itself lacks; then it waits or ends, and no picture is blamed
"""

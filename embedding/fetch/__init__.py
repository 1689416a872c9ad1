"""Source → bytes, within the operator's limits.

fetcher  bytes in the event, files below a root folder, addresses on permitted hosts
address  which addresses are permitted (pure)
web      address → bytes, under one deadline
"""

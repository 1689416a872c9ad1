"""The door to Milvus, in a Milvus Lite file or on a server. It knows nothing of what the collections are for.

errors        what can go wrong, as a tree
connection    opens a connection and sorts its errors into "away" and "fix this"
session       one connection: calls that wait, load again, and report errors as sentences
repair        a collection made ready, whatever a kill left behind
database      the collections of one database: make, fill, change, search
lite          Milvus Lite inside this process
lite_patch    a patch of Milvus Lite: searches and queries read only the fields that they need
lite_server   a Milvus Lite file served on loopback, for several processes of one machine
"""

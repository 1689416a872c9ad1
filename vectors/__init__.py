"""The door to Milvus.

errors       what can go wrong, as a tree
connection   opens a connection and sorts its errors into "away" and "fix this"
repair       a collection made ready, whatever a kill left behind
lite         Milvus Lite inside this process
lite_patch   a patch of Milvus Lite: its searches read what is asked for of a row
lite_server  a Milvus Lite file served on loopback, for several processes of one machine
"""

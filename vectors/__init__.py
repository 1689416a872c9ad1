"""The only room that talks to Milvus, in a Milvus Lite file or on a server. It does not know what collections are for.

errors        the errors of this room
connection    opens a connection, and sorts its errors into "away" and "fix this"
passing       which answers of a server mean that its state will pass
session       one connection: its calls wait for Milvus, load collections again, and report errors as sentences
index         how vectors are searched: all compared, or by an approximate index
repair        makes a collection ready for searches, whatever a killed process left behind
checks        vectors that Milvus would accept and never find, and scores that an index rounds
database      creates, fills, changes and searches the collections of one database
key_ranges    ranges of primary keys, so that millions of rows are read in parts
without_pandas imports pymilvus and Milvus Lite without the libraries that they load and we do not use
lite          runs Milvus Lite inside this process
lite_patch    a patch of Milvus Lite: searches and queries read only the fields that they need
bounds        exact search that compares most vectors by a third of their values
lite_search   a search of Milvus Lite: exact scores, and no Python for each row
lite_texts    data files of Milvus Lite of which the long texts stay on the disk
lite_merging  a patch of Milvus Lite: writing and merging its files takes little memory
lite_server   serves a Milvus Lite file on loopback, for several processes of one machine
"""

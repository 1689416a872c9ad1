"""Runs `vigilens sets` and `scan` for a terminal, in a process that has imported everything; see `keep`.

meeting  where a command finds the socket
messages what a command and the helper say to each other
ask      the command's side
keep     the side of `vigilens milvus` and `vigilens run`: listens, and starts the helper
helper   the program that runs commands
"""

"""Untrusted files are opened in processes of their own: the only way of the product to decode one.

decoders  the service's side: a file → its views, within limits of time and memory; dead processes are replaced
spawner   the small program that forks decoder processes
serve     what a decoder process does
wire      requests and answers as bytes, checked when they are read
"""

"""The geometric check: does a reference lie in the image, and where? Pure.

propose  which references may lie in the image at all
align    the map that lays a reference into it
weigh    what speaks for the map, and what against it → a score from 0 to 1
"""

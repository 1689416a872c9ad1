"""The geometric check: does a reference lie in the image, and where? Pure.

propose      which references may lie in the image at all
align        the map from a reference to the image
projective   maps of tilted pictures
distinctive  which corners recur elsewhere
pairs        pairs of corners that satisfy a condition
cells        the evidence for the map and against it, by places
weigh        the evidence → a score from 0 to 1
common       what a reference only shares with others is a frame
differ       where the image differs from the reference
tell_apart   which of two references on the same ground is in the image
"""

"""The geometric check: does a reference lie in the image, and where? Pure.

propose     which references may lie in the image at all
align       the map from a reference to the image
weigh       the evidence for the map and against it → a score from 0 to 1
differ      where the image differs from the reference
tell_apart  which of two references on the same ground is in the image
"""

"""Vectors become matches, matches become a decision. In the order in which an image meets the files:

judge       the straight line for one batch: images in, verdicts out
decide      what the matches of all sets mean together (pure)
compose     an image on its way, and the verdict on it
verdict     the published model and its JSON Schema
"""

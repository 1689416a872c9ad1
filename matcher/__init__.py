"""Vectors become matches, matches become a decision. In the order in which an image meets the files:

judge       the straight line for one batch: images in, verdicts out
decide      what the matches of all sets mean together (pure)
verdict     the published model and its JSON Schema
"""

"""Lists of hashes as exchanges and programs write them: readers, which yield entries, and writers.

entry       an entry of a list, and what in a list cannot be used (plain values)
lines       lists with one hash per line
exchanges   lists that exchanges give as JSON
ncmec       NCMEC's list, which is XML
formats     the formats by name, and how they are recognised
"""

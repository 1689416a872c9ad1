"""Lists of hashes as exchanges and programs write them, and the sets that hold them.

entry       an entry of a list, and what in a list cannot be used (plain values)
lines       lists with one hash per line
exchanges   lists that exchanges give as JSON
ncmec       NCMEC's list, which is XML
formats     the formats by name, and how they are recognised
sets        sets that are lists of hashes: what describes one, and its references
survey      what a list says in the end, before anything is written
importer    lists → sets
exporter    sets → lists
"""

"""How the network of the encoder `words` was learned: from procedural pictures alone, no photograph.

pictures    seeded pictures: dead leaves, textures, noise, glyphs
edits       what uploaders do to a picture, at random and in chains
views       pictures and their edits → keypoints, in shards on disk
learn       shards → the network, with checkpoints that it goes on from
export      a checkpoint → embedding/network/words.safetensors

Run `views`, `learn` and `export` with a folder that git ignores, as in `python -m training.views .cache/training`, and
`--help` for more. `learn` may begin while `views` still writes. The time it took is in docs/copies.md.
"""

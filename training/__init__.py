"""Trains the network of the encoder `words`: on procedural pictures only, without photographs.

pictures    seeded pictures: dead leaves, textures, noise, glyphs
edits       random edits and chains of edits, as uploaders make them
views       pictures and their edits → keypoints, in shards on disk
learn       shards → the network, with checkpoints to resume from
export      a checkpoint → the weights with all words
prune       the words that matter → embedding/local/words.safetensors

Run `views`, `learn`, `export` and `prune` with a folder that git ignores, as in
`python -m training.views .cache/training`; `--help` tells more. `learn` may start while `views` is still writing.
How long each takes is in docs/copies.md.
"""

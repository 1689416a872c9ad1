"""Settings: default.toml, then vigilens.toml, then the environment, checked as one value.

settings    the models: types, limits, impossible combinations
sources     finds the files, and looks up single values without a wait
load        reads the three sources → one value, or all mistakes at once, each with its source
"""

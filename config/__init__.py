"""Settings: default.toml, then vigilens.toml, then the environment, checked as one value.

settings    the models: types, limits, impossible combinations
load        the three places → one value, or all mistakes at once with their places
"""

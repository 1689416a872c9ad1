"""Settings: config/default.toml, then vigilens.toml, then the environment, checked as one value."""

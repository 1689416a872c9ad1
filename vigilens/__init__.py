"""vigilens."""

"""The Grafana dashboard `vigilens.json`. `python -m ops.grafana.dashboard` makes it from the metric names.

dashboard     the whole dashboard: variables, and the rows in their order
rows_traffic  what is judged, how fast, and what waits
rows_sets     the sets, their thresholds and scores, and the health of the processes
panels        panels and queries as Grafana's JSON has them
"""

"""One file per command, and what the commands print. (`vigilens demo` is `demo/command.py`.)

check        `vigilens check`: tries every part and prints one line for each
sets         `vigilens sets …`: creates, fills, shows and changes sets
sets_create  `vigilens sets create`, `edit` and `thresholds`
sets_tables  prints sets as tables, lines and JSON
scan         `vigilens scan`: judges files without Kafka
scan_output  prints its results as a table, lines, CSV and JSON
printable    escapes text from other people for the terminal
run          `vigilens run`: runs the service
several      `vigilens run --processes`: several processes, started and stopped together
milvus       `vigilens milvus`: serves a Milvus Lite file to several processes
schema       `vigilens schema`: prints the JSON Schemas of events, verdicts and metrics
config       `vigilens config`: prints the settings in force
"""

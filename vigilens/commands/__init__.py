"""A file for each command, and what is printed.

demo         `vigilens demo`: the guided tour
check        `vigilens check`: every part tried, one line each
sets         `vigilens sets …`: make, fill, show and change sets
sets_create  of these, `create`, `edit` and `thresholds`
sets_tables  sets as tables, lines and JSON
scan         `vigilens scan`: files judged without Kafka
scan_output  its table, lines, CSV and JSON
run          `vigilens run`: the service
milvus       `vigilens milvus`: a Milvus Lite file for several processes
schema       `vigilens schema`: the JSON Schemas of what goes in and comes out
config       `vigilens config`: the settings in force
"""

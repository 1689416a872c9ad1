"""A file for each command, and files for their output.

demo         `vigilens demo`: the guided tour
check        `vigilens check`: tries every part, one line each
sets         `vigilens sets …`: create, fill, show and change sets
sets_create  of these, `create`, `edit` and `thresholds`
sets_tables  prints sets as tables, lines and JSON
scan         `vigilens scan`: judges files without Kafka
scan_output  prints its verdicts as a table, lines, CSV and JSON
run          `vigilens run`: the service
milvus       `vigilens milvus`: serves a Milvus Lite file to several processes
schema       `vigilens schema`: the JSON Schemas of events, verdicts and metrics
config       `vigilens config`: the settings in use
"""

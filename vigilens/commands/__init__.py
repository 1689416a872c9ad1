"""One file per command, and what the commands print. (`vigilens demo` is `demo/command.py`.)

check        `vigilens check`: tries every part and prints one line for each
check_ops    of these: whether somebody would hear of it if something were wrong
findings     what it finds
sets         `vigilens sets …`: creates, fills, shows and changes sets
sets_create  `vigilens sets create`
sets_edit    `vigilens sets edit` and `thresholds`
sets_index   `vigilens sets index`: how a set is searched
sets_options options that they share
sets_hashes  `vigilens sets import-hashes` and `export-hashes`
sets_references `vigilens sets references`, `disable`, `enable` and `release`: single references
sets_hashes_output prints what became of a hash list, and references
progress     a progress bar on stderr
sets_tables  prints sets as tables, lines and JSON
encoders     `vigilens encoders …`: shows the encoders, and makes shorter vectors
scan         `vigilens scan`: judges files without Kafka
scan_output  prints its results as a table, lines, CSV and JSON
printable    escapes text from other people for the terminal
run          `vigilens run`: runs the service
several      `vigilens run --processes`: several processes, started and stopped together
notify       `vigilens notify`: sends alerts to a webhook
milvus       `vigilens milvus`: serves a Milvus Lite file to several processes
size         `vigilens size`: says what a number of images and references needs
schema       `vigilens schema`: prints the JSON Schemas of events, verdicts, metrics and alerts
config       `vigilens config`: prints the settings in force
"""

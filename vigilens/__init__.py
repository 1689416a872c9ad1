"""The command line: wiring, and what is printed. No logic of matching lives here.

cli             the group `vigilens`: commands are imported when used, expected errors are one sentence
wiring          settings → parts, the only place that does so
settings_shown  `vigilens config`
check           `vigilens check`: every part tried, one line each
sets            `vigilens sets …`: make, fill, show and change sets
sets_described  of these, `create` and `thresholds`
sets_tables     sets as tables and as JSON
scan            `vigilens scan`: files judged without Kafka
scan_shown      its table, lines, CSV and JSON
explained       the page of `vigilens scan --explain`
overlay         a picture beside a reference as SVG: region, joined corners; the demo's report has it too
run             `vigilens run`: the service
milvus          `vigilens milvus`: a Milvus Lite file for several processes
demo            `vigilens demo`: the guided tour
"""

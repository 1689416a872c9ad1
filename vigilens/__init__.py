"""The command line: wiring, and what is printed. No logic of matching lives here.

cli        the group `vigilens`: commands are imported when used, expected errors are one sentence
errors     which errors are expected
wiring     settings → parts, the only place that does so
commands/  a file for each command
pages/     HTML that commands write
"""

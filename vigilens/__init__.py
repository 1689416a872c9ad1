"""The command line: wiring and output. No matching logic lives here.

cli        the group `vigilens`: imports commands when they are used, prints expected errors as one sentence
errors     which errors are expected
wiring     builds the parts of the service from the settings, the only place that does so
commands/  a file for each command
pages/     HTML that commands write
"""

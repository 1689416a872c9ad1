"""The command line: wiring and output. No matching logic lives here.

cli        the group `vigilens`: imports commands when they are used, prints expected errors as one sentence
errors     which errors are expected
lazy       groups whose commands are imported when they are used
sizing     what a load needs: arithmetic
sizing_costs its figures: what one image and one reference take
measure_size what one image takes on this machine
wiring     builds the parts of the service from the settings, the only place that does so
answers/   runs commands for a terminal in a process that has imported everything
commands/  a file for each command
pages/     HTML that commands write
"""

"""The breaker: a reader of the verdicts topic that limits a reference which matches far too often to review.

matches     a verdict's record → the references that matched and count
counts      matches by reference over an hour and over 7 days: which one is too many? Pure
saved       the counts as records of the jobs topic, and back
told        what was done about a burst, as an alert
one_owner   one process of the group reads all partitions, the others stand by
past        reads the records of a time that is over: to fill the counts, and to read saved ones
plan        what the breaker is given, and how far it is
beginning   what a new owner begins with
owner       the process that has all partitions: reads, limits, tells, commits
thread      runs it beside the service, whose work never depends on it
"""

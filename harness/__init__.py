"""Real services on this machine and edited pictures to send to them, for demo, tests and benchmarks.

broker      Apache Kafka: one node, or three
kafka_jars  a Java runtime and Kafka's jars from packages
milvus_server  the real Milvus server, from packages
ports       ports on which nobody listens
edits       what people do to pictures: everyday edits, and hard ones
frames      of these, what puts the picture into another one
processes   child processes that end with this one: started, ended, stalled
readers     committed records, read by a client that is not the service's
service     `vigilens run` in a process of its own
"""

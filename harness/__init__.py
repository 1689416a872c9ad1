"""Real services on this machine, and edited pictures to send to them, for demo, tests and benchmarks.

broker      Apache Kafka: one node, or three
kafka_jars  a Java runtime and Kafka's jars from packages
milvus_server  the real Milvus server, from packages
ports       free ports
edits       families of the edits that people make to pictures
changes     of these, the changes of a picture's own pixels
frames      of these, those that put the picture into another one, or another one over it
screens     of these, tilts, photographs of screens, a desktop
documents   generated chats, letters, forms, logos and drawings
prometheus  a real Prometheus, from packages
processes   child processes that end with this one: started, ended, stalled
readers     reads committed records with another client than the service's
service     `vigilens run` in a separate process
"""

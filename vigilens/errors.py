"""The errors that are not bugs: their message is one sentence for the operator."""

import sys

# By name, so that nothing is imported here: an error whose module is not loaded was never raised.
EXPECTED = (
    ("config.load", "SettingsError"),
    ("embedding.encoder", "EncoderError"),
    ("embedding.fetch.resources", "NoResources"),
    ("embedding.processes.decoders", "NoDecoder"),
    ("vectors.errors", "StoreError"),
    ("patience", "Away"),
    ("consumer.topics", "NoAnswer"),
    ("consumer.lifecycle", "CannotStart"),
    ("consumer.transaction", "CannotPublish"),
    ("alerting.notify.webhook", "BadAddress"),
    ("kafka.errors", "KafkaError"),
    ("harness.kafka_jars", "NoKafka"),
    ("harness.processes", "ProgramFailed"),
    ("harness.readers", "ReadFailed"),
    ("demo.pictures", "DemoError"),
)


def expected() -> tuple[type[Exception], ...]:
    """The classes of EXPECTED whose modules are loaded, for an `except` clause."""
    return tuple(getattr(sys.modules[module], name) for module, name in EXPECTED if module in sys.modules)

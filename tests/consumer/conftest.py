"""The Kafka client without our patches, and with them."""

import pytest
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.net.manager import KafkaConnectionManager
from kafka.net.transport import KafkaTCPTransport
from kafka.record.default_records import DefaultRecordBatch

from consumer import kafka_patches, record_batches


@pytest.fixture
def unpatched(monkeypatch):
    """Until the test applies the patches. The former state is restored afterwards."""
    monkeypatch.setattr(DefaultRecordBatch, "__iter__", kafka_patches._unpack)
    monkeypatch.setattr(Fetcher.PartitionRecords, "take", kafka_patches._take_records)
    monkeypatch.setattr(Fetcher, "_append", kafka_patches._append)
    monkeypatch.setattr(record_batches, "limits", record_batches.Limits())
    monkeypatch.setattr(KafkaTCPTransport, "__init__", kafka_patches._open)
    monkeypatch.setattr(Fetcher, "_send_list_offsets_requests", kafka_patches._look_up)
    monkeypatch.setattr(Fetcher, "fetched_records", kafka_patches._take)
    monkeypatch.setattr(KafkaConnectionManager, "send", kafka_patches._send)
    monkeypatch.setattr(ConsumerCoordinator, "need_rejoin", kafka_patches._must_join)


@pytest.fixture
def patched(unpatched):  # noqa: ARG001 (it removes the patches afterwards)
    kafka_patches.apply()

"""A process that starts takes what a killed one of its name left in the group out of it, and nothing else."""

from functools import partial

import pytest
from kafka import KafkaConsumer
from kafka.errors import GroupAuthorizationFailedError
from running_service import produce, read_committed
from serving import plan_for, serving

from consumer import predecessors
from consumer import topics as our_topics
from consumer.clients import Connection


@pytest.fixture
def leave_behind(kafka_cluster, topics):
    """Makes a member of the group that is never polled again: without help the group waits for it for minutes."""
    made = []

    def leave(client_id):
        member = KafkaConsumer(
            topics.images,
            bootstrap_servers=kafka_cluster.bootstrap,
            group_id=topics.group,
            client_id=client_id,
            enable_auto_commit=False,
        )
        made.append(member)
        while not member.assignment():
            member.poll(100)
        return member.group_metadata().member_id

    yield leave
    for member in made:
        member.close(autocommit=False)


@pytest.fixture
def admin(kafka_cluster):
    return partial(our_topics.admin, Connection(kafka_cluster.bootstrap))


def test_a_restarted_process_has_the_partitions_of_its_killed_predecessor_at_once(
    kafka_cluster, topics, leave_behind, admin, monkeypatch
):
    dead = leave_behind(f"{topics.group}-i")
    produce(kafka_cluster.bootstrap, topics.images, [(None, b"a", [], number) for number in range(3)])
    with serving(plan_for(monkeypatch, kafka_cluster, topics, VIGILENS_KAFKA__INSTANCE="i")):
        read_committed(kafka_cluster.bootstrap, topics.verdicts, 3)
        with admin() as client:
            (member,) = client.describe_groups([topics.group])[topics.group]["members"]
    assert member["client_id"] == f"{topics.group}-i"
    assert member["member_id"] != dead


def test_members_with_other_names_stay(topics, leave_behind, admin):
    other = leave_behind(f"{topics.group}-i2")
    assert predecessors.remove(admin, topics.group, f"{topics.group}-i") == 0
    with admin() as client:
        assert {each["member_id"] for each in client.describe_groups([topics.group])[topics.group]["members"]} == {
            other
        }


def test_if_it_is_not_permitted_the_process_starts_all_the_same(caplog):
    def refused():
        raise GroupAuthorizationFailedError("not for you")

    assert predecessors.remove(refused, "group", "group-i") == 0
    assert "stays in the group" in caplog.text


def test_the_first_process_of_a_new_group_has_no_predecessor(topics, admin, caplog):
    assert predecessors.remove(admin, topics.group, f"{topics.group}-i") == 0
    assert not caplog.records

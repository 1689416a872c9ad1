"""The rows about what is judged, how fast, and what waits."""

from consumer import metric_names as m
from ops.grafana.panels import DECISIONS, Panel, Query, Row, of, rate

_WAITING = f"max by (job, partition) ({of(m.LAG)})"
_QUANTILES = (0.5, 0.95, 0.99)

NOW = Row(
    "Now",
    (
        Panel(
            "Ready processes",
            [Query(f"sum({of(m.READY)})")],
            kind="stat",
            width=4,
            height=5,
            text="Processes to which Kafka and Milvus answer and whose sets can be used.",
        ),
        Panel(
            "Events waiting",
            [Query(f"sum({_WAITING})")],
            kind="stat",
            width=4,
            height=5,
            text="Without a committed verdict, all partitions together.",
        ),
        Panel(
            "Oldest waiting",
            [Query(f"max({of(m.OLDEST)})")],
            kind="stat",
            unit="s",
            width=4,
            height=5,
            steps={60: "yellow", 300: "red"},
            text="How long the committed offset of a partition has stood still although events wait there.",
        ),
        Panel(
            "Partitions without an owner",
            [Query(f"max({of(m.UNOWNED)})")],
            kind="stat",
            width=4,
            height=5,
            steps={1: "red"},
        ),
        Panel("Verdicts per second", [Query(f"sum({rate(of(m.VERDICTS))})")], kind="stat", width=4, height=5),
        Panel(
            "Alerts that fire",
            [Query('sum(ALERTS{alertname=~"Vigilens.*",alertstate="firing"}) or vector(0)')],
            kind="stat",
            width=4,
            height=5,
            steps={1: "red"},
            text="Of all jobs, by the rules in ops/prometheus.",
        ),
    ),
)

TRAFFIC = Row(
    "Traffic and decisions",
    (
        Panel(
            "Verdicts per second, by decision",
            [Query(f"sum by (decision) ({rate(of(m.VERDICTS))})", "{{decision}}")],
            width=12,
            stacked=True,
            colours=DECISIONS,
        ),
        Panel(
            "Matches per second, by set and level",
            [Query(f"sum by (set, level) ({rate(of(m.MATCHES, set='$set'))})", "{{set}} {{level}}")],
            width=12,
        ),
        Panel(
            "Share of each decision",
            [
                Query(
                    f"sum by (decision) ({rate(of(m.VERDICTS))}) / ignoring (decision) group_left"
                    f" sum({rate(of(m.VERDICTS))})",
                    "{{decision}}",
                )
            ],
            unit="percentunit",
            colours=DECISIONS,
        ),
        Panel(
            "Images that are not embedded again",
            [Query(f"sum({rate(of(m.DUPLICATES))}) / sum({rate(of(m.VERDICTS))})", "share")],
            unit="percentunit",
            text="Their exact bytes were embedded recently.",
        ),
        Panel(
            "Images in a batch",
            [Query(f"sum({rate(of(m.BATCH, 'sum'))}) / sum({rate(of(m.BATCH, 'count'))})", "mean")],
            text="Small batches: little waits, and each event is judged at once. Full ones: the service is busy.",
        ),
    ),
)

LATENCY = Row(
    "Latency and age",
    (
        Panel(
            "Age of events at their verdict's commit",
            [
                Query(
                    f"histogram_quantile({q}, sum by (le) ({rate(of(m.AGE, 'bucket'))}))",
                    f"{q:.0%} of the events below",
                )
                for q in _QUANTILES
            ],
            unit="s",
            text="From an event's timestamp. It has no samples while nothing is judged: see what waits.",
        ),
        Panel(
            "Age of events",
            [Query(f"sum by (le) (increase({of(m.AGE, 'bucket')}[$__rate_interval]))", "{{le}}", heat=True)],
            kind="heatmap",
            options={"yAxis": {"axisPlacement": "left", "unit": "s"}},
        ),
        Panel(
            "Work for an image, by stage",
            [
                Query(
                    f"sum by (stage) ({rate(of(m.STAGE, 'sum'))}) / ignoring (stage) group_left"
                    f" sum({rate(of(m.BATCH, 'sum'))})",
                    "{{stage}}",
                )
            ],
            unit="s",
            stacked=True,
            text="Seconds of all workers together.",
        ),
    ),
)

LAG = Row(
    "What waits",
    (
        Panel("Events waiting, by partition", [Query(_WAITING, "partition {{partition}}")], stacked=True),
        Panel(
            "Oldest waiting, by partition",
            [Query(f"max by (partition) ({of(m.OLDEST)})", "partition {{partition}}")],
            unit="s",
        ),
        Panel(
            "Arriving and judged, per second",
            [
                Query(f"sum({rate(of(m.VERDICTS))})", "judged"),
                Query(
                    f"clamp_min(sum({rate(of(m.VERDICTS))}) + deriv(sum({_WAITING})[5m:15s]), 0)",
                    "arriving, mean of 5 minutes",
                ),
            ],
            text="What arrives is reckoned from what is judged and what waits.",
        ),
        Panel(
            "Members of the group, and partitions without an owner",
            [
                Query(f"max({of(m.MEMBERS)})", "members"),
                Query(f"max({of(m.UNOWNED)})", "partitions without an owner"),
            ],
            colours={"partitions without an owner": "red"},
        ),
        Panel("Partitions of each process", [Query(of(m.OWNED), "{{instance}}")], stacked=True),
        Panel(
            "Since the last commit, and since the lag was read",
            [
                Query(f"time() - max({of(m.COMMIT_AT)})", "last commit"),
                Query(f"time() - max({of(m.LAG_AT)})", "lag read"),
            ],
            unit="s",
            text="The first grows while nothing arrives, too. The second grows while Kafka does not answer.",
        ),
    ),
)

ROWS = (NOW, TRAFFIC, LATENCY, LAG)

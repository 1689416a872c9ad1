"""The rows about the sets, their thresholds and scores, what could not be judged, and the health of the processes."""

from consumer import metric_names as m
from ops.grafana.panels import Panel, Query, Row, of, rate

_COLUMNS = {
    "set": "set",
    "kind": "kind",
    "category": "category",
    "severity": "severity",
    "Value #B": "references",
    "Value #C": "version",
    "Value #D": "seconds since the version was first seen",
    "Value #E": "compared",
}

SETS = Row(
    "Sets",
    (
        Panel(
            "Sets",
            [
                Query(f"max by (set, kind, category, severity) ({of(m.SET_INFO, set='$set')})", table=True),
                Query(f"max by (set) ({of(m.SET_REFERENCES, set='$set')})", table=True),
                Query(f"max by (set) ({of(m.SET_VERSION, set='$set')})", table=True),
                Query(f"time() - max by (set) ({of(m.SET_CHANGED_AT, set='$set')})", table=True),
                Query(f"min by (set) ({of(m.COMPARABLE, set='$set')})", table=True),
            ],
            kind="table",
            width=16,
            text="Compared: 0 if at least one process leaves the set out; its /ready names the reason.",
            more={
                "transformations": [
                    {"id": "joinByField", "options": {"byField": "set", "mode": "outer"}},
                    {"id": "filterFieldsByName", "options": {"include": {"names": list(_COLUMNS)}}},
                    {"id": "organize", "options": {"renameByName": {k: v for k, v in _COLUMNS.items() if k != v}}},
                ]
            },
        ),
        Panel(
            "Share of planted copies that an index finds",
            [
                Query(f"min by (set) ({of(m.RECALL, set='$set')})", "{{set}}"),
                Query(f"min by (set) ({of(m.RECALL_LOWER, set='$set')})", "{{set}}, lower 95 % bound"),
            ],
            unit="percentunit",
            text="Only for sets with an approximate index.",
        ),
        Panel(
            "Sets left out, and damaged references",
            [
                Query(f"max({of(m.SETS_SKIPPED)})", "sets left out"),
                Query(f"max by (set) ({of(m.DAMAGED, set='$set')})", "damaged in {{set}}"),
            ],
        ),
        Panel(
            "References that the breaker limited to review, in an hour",
            [
                Query(f"sum by (set) (increase({of(m.TRIPS, set='$set')}[1h]))", "{{set}}"),
                Query(f"sum(increase({of(m.BREAKER_FAILURES)}[1h]))", "failures of the breaker"),
            ],
        ),
        Panel(
            "Alert events written per hour",
            [Query(f"sum by (kind) (increase({of(m.ALERTS)}[1h]))", "{{kind}}")],
        ),
    ),
)


def _scores(measure: str) -> Panel:
    buckets = of(m.SCORE, "bucket", set="$set", measure=measure)
    return Panel(
        f"Best candidate of each image: {measure}",
        [Query(f"sum by (le) (increase({buckets}[$__rate_interval]))", "{{le}}", heat=True)],
        kind="heatmap",
        width=6,
        text="Images by the score of their best candidate in this set, also below the thresholds.",
    )


def _thresholds(measure: str) -> Panel:
    buckets = of(m.SCORE, "bucket", set="$set", measure=measure)
    lines = [
        Query(f"histogram_quantile({q}, sum by (le) (increase({buckets}[$__range])))", f"{q:.1%} of the images below")
        for q in (0.5, 0.99, 0.999)
    ]
    levels = {"review": "yellow", "block": "red"}
    lines += [Query(f"max({of(m.THRESHOLD, set='$set', measure=measure, level=level)})", level) for level in levels]
    return Panel(
        f"{measure.capitalize()}: thresholds and near misses",
        lines,
        width=6,
        unit="percentunit",
        colours=levels,
        text="Where 99.9 % come close to `review`, strangers are about to be reviewed: compare them in the scores.",
    )


SCORES = Row(
    "Scores of $set",
    (_scores("similarity"), _thresholds("similarity"), _scores("check"), _thresholds("check")),
    repeat="set",
)

UNSCANNABLE = Row(
    "Unscannable",
    (
        Panel(
            "Images that could not be judged, per second, by reason",
            [Query(f"sum by (reason) ({rate(of(m.UNSCANNABLE))}) > 0", "{{reason}}")],
            width=12,
            stacked=True,
        ),
        Panel(
            "Share that could not be judged",
            [
                Query(
                    f"sum({rate(of(m.VERDICTS, decision='unscannable'))}) / sum({rate(of(m.VERDICTS))})",
                    "unscannable",
                )
            ],
            width=6,
            unit="percentunit",
        ),
        Panel(
            "Events deleted by retention before they were judged",
            [Query(f"sum({of(m.EXPIRED)})", "since the processes began")],
            width=6,
        ),
    ),
)

HEALTH = Row(
    "Health",
    (
        Panel("Ready", [Query(of(m.READY), "{{instance}}")], text="1: ready."),
        Panel(
            "Waits for",
            [Query(f"{of(m.WAITING)} == 1", "{{instance}} {{for}}")],
            text="/ready of the process says since when, and why.",
        ),
        Panel(
            "Starts and rewinds",
            [
                Query(f"sum(changes({of('process_start_time_seconds')}[$__rate_interval]))", "starts"),
                Query(f"sum(increase({of(m.REWINDS)}[$__rate_interval]))", "rewinds"),
            ],
            text="A rewind: the group was rebalanced or a transaction failed; reading begins at the committed offsets.",
        ),
        Panel(
            "Memory",
            [Query(of("process_resident_memory_bytes"), "{{instance}}")],
            unit="bytes",
            text="Without decoders.",
        ),
        Panel(
            "Processor cores",
            [Query(rate(of("process_cpu_seconds_total")), "{{instance}}")],
            text="Without the decoder processes.",
        ),
        Panel("Open files", [Query(of("process_open_fds"), "{{instance}}")]),
        Panel(
            "What no OpenTelemetry collector took, in an hour",
            [Query(f"sum by (signal) (increase({of(m.OTLP_LOST)}[1h]))", "{{signal}}")],
        ),
        Panel(
            "Versions",
            [Query(f"count by (version, python) ({of(m.BUILD)})", table=True)],
            kind="table",
            more={
                "transformations": [
                    {
                        "id": "organize",
                        "options": {"excludeByName": {"Time": True}, "renameByName": {"Value": "processes"}},
                    }
                ]
            },
        ),
        Panel(
            "Alerts",
            [
                Query(
                    'max by (alertname, alertstate, severity, job, instance, set) (ALERTS{alertname=~"Vigilens.*"})',
                    table=True,
                )
            ],
            kind="table",
            text="docs/alerts.md says for each what to do.",
            more={"transformations": [{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}]},
        ),
    ),
)

ROWS = (SETS, SCORES, UNSCANNABLE, HEALTH)

"""Will this departing flight arrive more than half an hour late?

New York City, 2013. The model is born on January to March and has to live through the rest of
the year: summer heat it has never seen, thunderstorms, autumn, the Christmas rush.
"""

import noria as nr

flights = nr.Dataset("flights", "data/flights/*.parquet", key="flight_id", time="scheduled_at")
weather = nr.Dataset("weather", "data/weather.parquet", key="airport", time="observed_at", known="received_at")


@nr.feature_view(weather, entity="airport", ttl="3h")
def conditions(w):
    """The newest weather that was known at an airport; the same code offline and online."""
    return w.select("airport", "observed_at", "temp", "humid", "wind_speed", "visibility", "precip", "pressure")


@nr.on_demand(inputs=["scheduled_at", "distance"])
def trip(rows):
    """What the request itself tells; computed at request time, and identically in training."""
    local = rows["scheduled_at"].dt.convert_time_zone("America/New_York")
    return rows.with_columns(hour=local.dt.hour(), long_haul=rows["distance"] > 1500)


def train(data: nr.Split, params: dict):
    """Fit one gradient-boosted model; runs in its own process."""
    from lightgbm import LGBMClassifier  # here and not above: the prediction server reads this file too, and never trains

    model = LGBMClassifier(n_estimators=100, num_threads=1, verbose=-1, random_state=7, **params)
    return model.fit(data.X, data.y, categorical_feature=list(data.categorical))


loop = nr.Loop(
    "late-arrival",
    description="Will a departing flight arrive more than 30 minutes late?",
    features=[flights["carrier", "origin", "dest", "distance"], conditions.on("origin"), trip],
    label=nr.Label(flights["late"], delay="1d"),
    train=train,
    tune=nr.Tune(
        {
            "num_leaves": nr.integer(8, 31),
            "learning_rate": nr.log(0.03, 0.12),
            "min_child_samples": nr.integer(100, 1_000),
        },
        trials=4,
    ),
    gates=[
        nr.at_least(roc_auc=0.70),
        nr.beats_champion("roc_auc"),
        nr.no_slice_worse("origin", by=0.05),
        nr.latency(p99_ms=5),
    ],
    rollout=nr.Canary(steps=[10, 25, 50, 100], min_rows=500, guard=["errors", "latency", "agreement", "roc_auc"], margin={"roc_auc": 0.05}),
    # Weather changes from day to day, so drift is judged by the week: against daily swings, no season would ever be seen.
    watch=[nr.drift(every="7d", k=2, m=3), nr.quality("roc_auc", drop=0.03), nr.freshness("120d")],
    # A year, not a season: winter comes back. Every two weeks it is measured what a new model would gain; only a gain is worth a turn.
    retrain=nr.Retrain(cooldown="30d", min_labels=20_000, window="365d", probe=True, min_gain=0.01, ask="14d"),
)

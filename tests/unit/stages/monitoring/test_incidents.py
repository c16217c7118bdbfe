from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.core.watching import Level, MonitorPhase, MonitorState, Reading
from noria.stages.monitoring.alarms import ALARMS, SHARE, title_of, turns
from noria.stages.monitoring.incidents import NOTICE, PAGE, update

AT = datetime(2013, 6, 1, tzinfo=UTC)
IMPORTANCE = {"temp": 0.3, "dewp": 0.1, "carrier": 0.58, "tail": 0.02}


def state(name, phase=MonitorPhase.FIRING):
    monitor, _, subject = name.partition(":")
    return MonitorState(loop="l", monitor=monitor, subject=subject, phase=phase)


def reading(name, effect=1.0, note="78% of rows at 24 or above, 10% in the reference"):
    monitor, _, subject = name.partition(":")
    return Reading(
        loop="l",
        monitor=monitor,
        subject=subject,
        time=AT,
        value=0.5,
        threshold=0.1,
        level=Level.BREACH,
        rows=900,
        effect=effect,
        note=note,
    )


def seen(firing, open_incidents=(), effects=None, **options):
    ids = count(1)
    states = [state(one) if isinstance(one, str) else one for one in firing]
    names = [f"{one.monitor}:{one.subject}" for one in states if one.phase is MonitorPhase.FIRING]
    return update(
        open_incidents,
        states,
        [reading(name, **({"effect": effects[name]} if effects else {})) for name in names],
        loop="l",
        at=AT,
        importance=options.pop("importance", IMPORTANCE),
        new_id=lambda: f"incident_{next(ids)}",
        **options,
    )


def test_features_that_drift_together_are_one_incident_largest_effect_times_importance_first():
    (incident,) = seen(["drift:dewp", "drift:temp"], effects={"drift:dewp": 1.0, "drift:temp": 1.0})
    assert incident.subjects == ("drift:temp", "drift:dewp")
    assert incident.title == "temp and dewp drifted"
    assert incident.cause.startswith("temp: 78% of rows at 24 or above")
    assert incident.numbers == {"drift:temp": 0.5, "drift:dewp": 0.5}
    assert incident.severity == PAGE


def test_one_feature_of_little_importance_is_a_notice_and_one_of_next_to_none_is_nothing():
    (incident,) = seen(["drift:dewp"])
    assert incident.severity == NOTICE
    assert seen(["drift:tail"]) == []
    assert seen(["drift:tail", "missing:tail"]) == []


def test_a_feature_that_drifts_and_goes_missing_counts_once():
    (incident,) = seen(["drift:dewp", "missing:dewp"])
    assert incident.severity == NOTICE


def test_fallen_quality_is_a_page_and_drifted_answers_or_an_old_model_a_notice():
    quality, fresh = seen(["quality:roc_auc", "prediction-drift:prediction", "freshness:training data"])
    assert (quality.severity, quality.title) == (PAGE, "roc_auc fell; the model's answers drifted")
    assert (fresh.severity, fresh.title) == (NOTICE, "training data is old")
    (answers,) = seen(["prediction-drift:prediction"])
    assert answers.severity == NOTICE


def test_later_alerts_widen_the_open_incident_and_may_make_it_graver():
    (first,) = seen(["drift:dewp"])
    (wider,) = seen(["drift:dewp", "drift:temp"], [first])
    assert wider.id == first.id and wider.severity == PAGE and set(wider.subjects) == {"drift:dewp", "drift:temp"}
    assert seen(["drift:dewp", "drift:temp"], [wider]) == []


def test_a_page_stays_a_page_until_it_closes():
    (page,) = seen(["drift:temp"])
    assert seen([state("drift:temp", MonitorPhase.RECOVERING)], [page]) == []
    assert seen([state("drift:temp", MonitorPhase.RECOVERING), "drift:dewp"], [page])[0].severity == PAGE


@pytest.mark.parametrize("phase", [MonitorPhase.OK, MonitorPhase.PENDING])
def test_it_closes_when_all_its_monitors_are_well(phase):
    (incident,) = seen(["drift:temp"])
    (closed,) = seen([state("drift:temp", phase)], [incident])
    assert closed.closed_at == AT and closed.closed_because


def test_pending_or_recovering_monitors_open_nothing():
    assert seen([state("drift:temp", MonitorPhase.PENDING), state("quality:roc_auc", MonitorPhase.RECOVERING)]) == []


def test_without_importances_all_features_count_alike():
    names = [state(f"drift:x{i}", MonitorPhase.OK) for i in range(9)]
    (incident,) = seen([*names, "drift:temp"], importance={})
    assert incident.severity == NOTICE
    (page,) = seen([*names, "drift:temp", "drift:dewp"], importance={})
    assert page.severity == PAGE


def test_a_long_list_of_features_is_cut_in_the_title():
    (incident,) = seen([f"drift:x{i}" for i in range(9)], importance={})
    assert incident.title.endswith("and 6 more drifted")


LINEAGE = {"temp": "weather", "dewp": "weather", "carrier": "flights", "tail": "flights"}


def test_features_of_one_dataset_share_an_incident_and_those_of_another_have_their_own():
    weather, flights = seen(["drift:temp", "missing:dewp", "drift:carrier"], lineage=LINEAGE)
    assert (weather.source, set(weather.subjects)) == ("weather", {"drift:temp", "missing:dewp"})
    assert (flights.source, flights.subjects) == ("flights", ("drift:carrier",))
    assert flights.rank > weather.rank
    assert [one.id for one in seen(["drift:temp", "drift:dewp", "drift:carrier"], [weather, flights], lineage=LINEAGE)] == [weather.id]


def test_datasets_that_only_together_carry_enough_importance_are_one_page_the_gravest():
    importance = {"temp": 0.1, "dewp": 0.02, "carrier": 0.08, "other": 0.8}
    found = {one.source: one.severity for one in seen(["drift:temp", "drift:carrier"], importance=importance, lineage=LINEAGE)}
    assert found == {"weather": PAGE, "flights": NOTICE}


def test_while_a_dataset_is_late_its_features_are_hushed_and_told_of_when_they_still_fire_afterwards():
    (late,) = seen(["late:weather", "drift:temp", "missing:dewp"], lineage=LINEAGE)
    assert late.title == "weather arrives late"
    assert set(late.hushed) == {"drift:temp", "missing:dewp"} and "temp" not in late.cause
    assert late.severity == PAGE and not turns(late)
    ended = [state("late:weather", MonitorPhase.OK), "drift:temp", "missing:dewp"]
    (after,) = seen(ended, [late], lineage=LINEAGE)
    assert after.id == late.id and not after.hushed and "temp drifted" in after.title and turns(after)


def test_a_dataset_that_comes_late_after_its_features_drifted_explains_them():
    (drifted,) = seen(["drift:temp"], lineage=LINEAGE)
    (explained,) = seen(["drift:temp", "stale:weather"], [drifted], lineage=LINEAGE)
    assert explained.title == "weather has no new rows" and explained.hushed == ("drift:temp",)
    assert explained.subjects[0] == "stale:weather"


def test_silent_monitors_open_and_raise_nothing_but_hold_open_what_they_are_part_of():
    (before,) = seen(["drift:dewp"], lineage=LINEAGE)
    assert seen(["drift:dewp"], lineage=LINEAGE, silent=lambda one: True) == []
    assert seen(["drift:dewp", "drift:temp"], [before], lineage=LINEAGE, silent=lambda one: True) == []
    assert seen([state("drift:dewp", MonitorPhase.OK)], [before], lineage=LINEAGE, silent=lambda one: True)[0].closed_at == AT


def test_what_a_silenced_dataset_explains_is_silent_too():
    def late(one):
        return one.monitor == "late"

    assert seen(["late:weather", "drift:temp", "missing:dewp"], lineage=LINEAGE, silent=late) == []
    (other,) = seen(["late:weather", "drift:temp", "drift:carrier"], lineage=LINEAGE, silent=late)
    assert other.source == "flights"
    (after,) = seen([state("late:weather", MonitorPhase.OK), "drift:temp"], lineage=LINEAGE, silent=late)
    assert after.title == "temp drifted"


def test_an_incident_from_before_there_was_lineage_goes_on():
    (stored,) = [replace(one, trouble="", source="") for one in seen(["drift:temp"])]
    assert seen(["drift:temp"], [stored], lineage=LINEAGE) == []
    (closed,) = seen([state("drift:temp", MonitorPhase.OK)], [stored], lineage=LINEAGE)
    assert closed.closed_at == AT


NAMES = [
    "drift:temp",
    "missing:dewp",
    "drift:carrier",
    "drift:tail",
    "late:weather",
    "stale:weather",
    "quality:roc_auc",
    "freshness:training data",
]


@given(
    st.lists(
        st.tuples(st.fixed_dictionaries({name: st.sampled_from(MonitorPhase) for name in NAMES}), st.sets(st.sampled_from(NAMES))),
        max_size=12,
    )
)
def test_whatever_monitors_do_there_is_one_open_incident_per_trouble_and_source(passes):
    known, ids = {}, count()
    for phases, silent in passes:
        before = [one for one in known.values() if one.closed_at is None]
        states = [state(name, phase) for name, phase in phases.items()]
        changed = update(
            before,
            states,
            [reading(name) for name, phase in phases.items() if phase is MonitorPhase.FIRING],
            loop="l",
            at=AT,
            importance=IMPORTANCE,
            new_id=lambda: f"i{next(ids)}",
            lineage=LINEAGE,
            silent=lambda one: f"{one.monitor}:{one.subject}" in silent,  # noqa: B023
        )
        for one in changed:
            was = known.get(one.id)
            assert was is None or was.severity != PAGE or one.severity == PAGE
            assert was is not None or any(name not in silent for name in one.subjects)
            known[one.id] = one
        still = [one for one in known.values() if one.closed_at is None]
        assert len({(one.trouble, one.source) for one in still}) == len(still)
        for one in still:
            assert one.subjects and set(one.hushed) < set(one.subjects)
            assert any(phases[name] in (MonitorPhase.FIRING, MonitorPhase.RECOVERING) for name in one.subjects)
            assert one.title and len(set(one.subjects)) == len(one.subjects)


def test_every_alarm_says_something_and_is_of_a_known_gravity():
    for monitor, alarm in ALARMS.items():
        assert title_of([f"{monitor}:x"]) and alarm.grave in (PAGE, NOTICE, SHARE), monitor


def together(effect=1.0, **explained):
    return replace(reading("joint-drift:domain", effect, note="by temp with dewp"), explained=explained)


def passed(firing, readings):
    return update([], [state(one) for one in firing], readings, loop="l", at=AT, importance=IMPORTANCE, new_id=lambda: "incident_1")


def test_features_that_changed_together_weigh_what_they_carry_together():
    (incident,) = passed(["joint-drift:domain"], [together(temp=0.6, dewp=0.4)])
    assert incident.severity == PAGE and incident.title == "features changed together"
    assert incident.cause == "domain: by temp with dewp" and turns(incident)
    assert passed(["joint-drift:domain"], [together(dewp=1.0)])[0].severity == NOTICE
    assert not passed(["joint-drift:domain"], [together(tail=1.0)])


def test_features_whose_own_drift_is_told_are_not_told_again_together():
    found = passed(
        ["joint-drift:domain", "drift:temp", "drift:dewp"], [together(temp=0.6, dewp=0.4), reading("drift:temp"), reading("drift:dewp")]
    )
    assert [incident.trouble for incident in found] == ["data"]

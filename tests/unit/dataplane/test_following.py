"""The desk follows the published plan, and starts from its own copy when there is none."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from noria.core.traffic import Kill
from noria.dataplane.following import PlanFollower
from noria.stages.serving import killing
from noria.stages.serving.plans import publish, read_plan


@pytest.fixture
def following(office, tmp_path):
    """Run a scenario with a follower over an open desk; its files are in tmp_path."""

    def run(scenario):
        async def whole():
            desk = office.open()
            follower = PlanFollower(desk, tmp_path / "plan.json", tmp_path / "kept.json", poll_s=0.005, retry_s=0.0)
            try:
                await scenario(desk, follower)
            finally:
                await desk.close()

        asyncio.run(whole())

    return run


def test_a_new_plan_comes_to_work_and_is_kept(following, office, tmp_path) -> None:
    async def scenario(desk, follower):
        await follower.look()
        assert not desk.ready
        for revision in (1, 2):
            publish(office.plan(revision), tmp_path / "plan.json")
            await follower.look()
            assert desk.revision == revision
        assert read_plan(tmp_path / "kept.json").revision == 2

    following(scenario)


def test_without_a_published_plan_the_kept_one_comes_to_work(following, office, tmp_path) -> None:
    publish(office.plan(7), tmp_path / "kept.json")

    async def scenario(desk, follower):
        await follower.look()
        assert desk.revision == 7

    following(scenario)


def test_a_spoilt_plan_leaves_the_one_before_at_work_and_is_reported(following, office, tmp_path) -> None:
    async def scenario(desk, follower):
        publish(office.plan(1), tmp_path / "plan.json")
        await follower.look()
        (tmp_path / "plan.json").write_text("{")
        await follower.look()
        assert desk.revision == 1
        assert "cannot be read" in desk.problems()["plan"]
        publish(office.plan(2), tmp_path / "plan.json")
        await follower.look()
        assert (desk.revision, desk.problems()) == (2, {})

    following(scenario)


def test_a_plan_that_goes_away_leaves_the_one_before_at_work(following, office, tmp_path) -> None:
    async def scenario(desk, follower):
        publish(office.plan(1), tmp_path / "plan.json")
        await follower.look()
        (tmp_path / "plan.json").unlink()
        await follower.look()
        assert (desk.revision, desk.problems()) == (1, {})

    following(scenario)


def test_a_version_that_did_not_load_is_tried_again_and_such_a_plan_is_not_kept(following, office, tmp_path) -> None:
    async def scenario(desk, follower):
        office.unloadable = {1}
        publish(office.plan(1), tmp_path / "plan.json")
        await follower.look()
        assert "late" in desk.problems()
        assert not (tmp_path / "kept.json").exists()
        office.unloadable = set()
        await follower.look()
        assert desk.problems() == {}
        assert (tmp_path / "kept.json").exists()

    following(scenario)


def test_after_a_restart_the_version_that_served_last_stands_in_for_one_that_does_not_load(following, office, tmp_path) -> None:
    publish(office.plan(1, champion=1), tmp_path / "kept.json")
    publish(office.plan(2, champion=2), tmp_path / "plan.json")
    office.unloadable = {2}

    async def scenario(desk, follower):
        await follower.look()
        assert (desk.revision, desk.ready, desk.versions()) == (2, True, {"late": (1,)})
        assert read_plan(tmp_path / "kept.json").revision == 1

    following(scenario)


def test_it_watches_until_it_is_cancelled_and_looks_at_once_when_told(following, office, tmp_path) -> None:
    async def scenario(desk, follower):
        watching = asyncio.ensure_future(follower.follow())
        publish(office.plan(1), tmp_path / "plan.json")
        follower.look_now()
        while desk.revision != 1:
            await asyncio.sleep(0.002)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    following(scenario)


def killed(tmp_path, *versions: int) -> None:
    killing.order(tmp_path / killing.FILE, Kill(deployment="late", versions=versions, by="ops", because="no time", at=""))


def test_an_order_that_was_given_here_goes_before_every_plan_until_it_is_taken_back(following, office, tmp_path) -> None:
    async def scenario(desk, follower):
        publish(office.plan(1, challenger=2, challenger_share=1.0), tmp_path / "plan.json")
        await follower.look()
        assert desk.versions() == {"late": (1, 2)}
        killed(tmp_path, 2)
        await follower.look()
        assert desk.versions() == {"late": (1,)}
        assert desk.problems() == {"killed": "v2 of late was taken out here by ops: no time"}
        publish(office.plan(2, challenger=3, challenger_share=1.0), tmp_path / "plan.json")
        await follower.look()
        assert (desk.versions(), desk.revision) == ({"late": (1,)}, 2)
        assert read_plan(tmp_path / "kept.json").revision == 1
        killing.lift(tmp_path / killing.FILE, "late")
        await follower.look()
        assert (desk.versions(), desk.problems()) == ({"late": (1, 3)}, {})

    following(scenario)


def test_an_order_holds_while_nothing_is_published_and_after_a_restart(following, office, tmp_path) -> None:
    plan = office.plan(7, champion=2)
    with_before = replace(plan, routes={"late": replace(plan.routes["late"], before=office.version(1))})
    publish(with_before, tmp_path / "kept.json")

    async def scenario(desk, follower):
        await follower.look()
        assert desk.versions() == {"late": (2,)}
        killed(tmp_path, 2)
        await follower.look()
        assert desk.versions() == {"late": (1,)}

    following(scenario)
    following(lambda desk, follower: after_a_restart(desk, follower))


async def after_a_restart(desk, follower) -> None:
    await follower.look()
    assert desk.versions() == {"late": (1,)}


def test_orders_that_cannot_be_read_are_told_and_those_before_stand(following, office, tmp_path) -> None:
    async def scenario(desk, follower):
        publish(office.plan(1, challenger=2), tmp_path / "plan.json")
        killed(tmp_path, 2)
        await follower.look()
        (tmp_path / killing.FILE).write_text("{")
        await follower.look()
        assert desk.versions() == {"late": (1,)}
        assert "cannot be read" in desk.problems()["killed"]

    following(scenario)

"""A collection without any grace, in the home of a loop at rest: all that the loop made is named, and it goes on turning."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path

from noria.app.collecting import collect
from noria.core.turning import TurnState

_spec = importlib.util.spec_from_file_location("noria_tests_house", Path(__file__).parent / "house.py")
assert _spec is not None and _spec.loader is not None
houses = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(houses)


def test_a_loop_goes_on_after_a_collection_that_found_nothing_of_its_own(tmp_path):
    with houses.house(tmp_path) as house:
        house.start_dataplane()
        house.start_server()
        house.be_born()
        house.ask(60)
        house.settled()
        made = set(house.world.blobs.digests())
        rubbish = house.world.blobs.put(b"nobody's")
        told = collect(house.world, grace=timedelta(), dry=True, by="ada")
        freed = collect(house.world, grace=timedelta(), by="ada")
        assert (told.blobs, freed.blobs, freed.kinds) == (1, 1, told.kinds), freed
        assert set(house.world.blobs.digests()) == made - {rubbish}
        house.verbs.turn("orders", by="ada", reason="to see it through")
        houses.wait_until(lambda: house.newest().number == 2, "the second turn")
        assert house.live_through().state is TurnState.DONE
        assert house.ask(20).failed == 0

from __future__ import annotations

from noria.loop.workshop import Bench


def test_what_a_step_said_last_is_heard_after_the_next_one_began(tmp_path) -> None:
    bench = Bench(tmp_path)
    assert bench.heard("tuning") == ""
    bench.say("tuning", "")
    bench.say("tuning", "trial 1 of 2")
    bench.say("tuning", "trial 2 of 2,\nbest 0.7")
    bench.say("training", "")
    assert (bench.heard("tuning"), bench.heard("training"), bench.heard("evaluation")) == ("trial 2 of 2, best 0.7", "", "")

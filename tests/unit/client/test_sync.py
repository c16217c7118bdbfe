"""Runs that wait are sent to where they belong, however often it is asked and whatever came between."""

import pytest

from noria.client.place import Place, find
from noria.client.run import Run
from noria.client.sync import left_in, sync


@pytest.fixture
def waiting(here):
    where = Place(url="", spool=here.spool, offline=True)
    made = []
    for name in ("one", "two"):
        with Run(name, experiment="e", where=where, capture=False, system_every_s=0) as run:
            run.log(loss=1.0)
            run.log_text("hello", "a.txt")
        made.append(run.id)
    return made


def test_runs_that_were_told_offline_arrive_whole(server, here, waiting):
    told = sync(left_in(here))
    assert (told.runs, told.entries, told.files, told.left) == (2, 6, 2, {})
    for run in waiting:
        assert server.told(run, "end") == ["FINISHED"]
    assert not left_in(here)
    assert sync(left_in(here)).entries == 0


def test_what_a_failure_interrupts_is_sent_the_next_time(server, here, waiting):
    server.manner = "fails"
    told = sync(left_in(here))
    assert set(told.left) == set(waiting)
    assert server.asked == 1
    server.manner = "well"
    assert sync(left_in(here)).runs == 2


def test_a_server_that_keeps_no_files_gets_all_entries_and_the_files_wait(server, here, waiting):
    server.manner = "keeps no files"
    told = sync(left_in(here))
    assert (told.entries, set(told.left)) == (6, set(waiting))
    server.manner = "well"
    told = sync(left_in(here))
    assert (told.runs, told.entries, told.files) == (2, 0, 2)


def test_a_run_that_goes_on_is_sent_so_far_and_stays(server, here):
    run = Run("on", experiment="e", where=Place(url="", spool=here.spool, offline=True), capture=False, system_every_s=0)
    run.log(loss=1.0)
    told = sync(left_in(here))
    assert told.left == {run.id: "it still goes on"}
    assert server.told(run.id, "log") == [{"loss": 1.0}]
    run.end()
    assert sync(left_in(here)).runs == 1
    assert server.told(run.id, "end") == ["FINISHED"]


def test_runs_of_another_server_go_there_without_this_ones_token(server, here):
    elsewhere = Place(url=server.url, spool=here.spool, project="team", offline=True)
    Run("there", experiment="e", where=elsewhere, capture=False, system_every_s=0).end()
    (left,) = left_in(Place(url="http://127.0.0.1:9", token="secret", spool=here.spool))
    assert (left.place.url, left.place.project, left.place.token) == (server.url, "team", "")
    assert sync([left]).runs == 1


def test_a_home_around_the_script_is_found(tmp_path):
    (tmp_path / ".noria").mkdir()
    (tmp_path / ".noria" / "settings.json").write_text('{"host": "0.0.0.0", "port": 7799}')
    (tmp_path / ".noria" / "token").write_text("secret\n")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    found = find({}, start=tmp_path / "deep" / "er")
    assert (found.url, found.token, found.spool) == ("http://127.0.0.1:7799", "secret", tmp_path / ".noria" / "spool")


def test_the_environment_wins_over_the_home_and_its_token_stays_at_home(tmp_path):
    (tmp_path / ".noria").mkdir()
    (tmp_path / ".noria" / "settings.json").write_text("{}")
    (tmp_path / ".noria" / "token").write_text("secret")
    found = find({"NORIA_URL": "https://noria.example/", "NORIA_PROJECT": "team", "NORIA_OFFLINE": "true"}, start=tmp_path)
    assert (found.url, found.token, found.project, found.offline) == ("https://noria.example", "", "team", True)


def test_without_a_home_the_spool_is_where_the_system_keeps_a_users_state(tmp_path):
    assert find({"XDG_STATE_HOME": "/state"}, start=tmp_path).spool.as_posix() == "/state/noria/spool"

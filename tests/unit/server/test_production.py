from datetime import timedelta

from sample import BIRTH, LOOP


def test_production_is_told_as_of_any_moment(ask):
    early = (BIRTH + timedelta(days=1)).isoformat()
    (then,) = ask.get("/api/v1/production", params={"as_of": early}).json()["production"]
    assert (then["model"], then["version"], then["by"]) == (LOOP, 1, "noria")
    now = {one["model"]: one["version"] for one in ask.get("/api/v1/production").json()["production"]}
    assert now[LOOP] > 1
    assert ask.get("/api/v1/production", params={"as_of": "2001-01-01T00:00"}).json()["production"] == []
    assert ask.get("/api/v1/production", params={"as_of": "soon"}).status_code == 422


def test_aliases_of_a_model_with_who_moved_them(ask):
    told = ask.get(f"/api/v1/models/{LOOP}/aliases", params={"as_of": (BIRTH + timedelta(days=1)).isoformat()}).json()
    assert told["aliases"] == {"champion": 1} and told["moves"][0]["reason"] == "the first version passed its gates"
    assert ask.get("/api/v1/models/nothing/aliases").status_code == 404


def test_the_page_takes_a_date_as_a_browser_sends_it(ask):
    html = {"accept": "text/html"}
    assert LOOP in ask.get("/production", headers=html).text
    then = ask.get("/production", params={"as_of": (BIRTH + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")}, headers=html).text
    assert ">v1<" in then
    assert "Nothing was in production" in ask.get("/production", params={"as_of": "2001-01-01T00:00"}, headers=html).text
    assert ask.get("/production", params={"as_of": "x"}, headers=html).status_code == 422

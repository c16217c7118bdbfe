"""Settings are read once; a name that nobody knows is answered with the nearest one."""

from __future__ import annotations

import stat

import pytest

from noria.app.settings import Settings, find_home, keep, read, token
from noria.core.errors import NotFound, SettingsInvalid


def test_an_unknown_variable_is_refused_with_the_nearest_known_one(tmp_path):
    with pytest.raises(SettingsInvalid) as refused:
        read(tmp_path, environ={"NORIA_PROT": "1"})
    assert "NORIA_PORT" in refused.value.fix


def test_a_malformed_value_is_refused(tmp_path):
    with pytest.raises(SettingsInvalid, match="NORIA_PORT"):
        read(tmp_path, environ={"NORIA_PORT": "high"})
    with pytest.raises(SettingsInvalid, match="compact_every"):
        read(tmp_path, environ={"NORIA_COMPACT_EVERY": "soon"})


def test_what_was_kept_is_read_again_and_the_environment_wins(tmp_path):
    keep(Settings(home=str(tmp_path), port=7800, clock="turned"))
    assert read(tmp_path, environ={}).port == 7800
    assert read(tmp_path, environ={"NORIA_PORT": "7900"}).port == 7900
    assert read(tmp_path, environ={"NORIA_PORT": "7900"}).clock == "turned"


def test_the_token_is_made_once_and_readable_by_its_owner_alone(tmp_path):
    settings = Settings(home=str(tmp_path))
    assert token(settings) == token(settings)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_a_home_is_found_from_a_folder_below_it(tmp_path, monkeypatch):
    monkeypatch.delenv("NORIA_HOME", raising=False)
    keep(Settings(home=str(tmp_path / ".noria")))
    (tmp_path / "deep" / "down").mkdir(parents=True)
    assert find_home(tmp_path / "deep" / "down") == tmp_path / ".noria"
    with pytest.raises(NotFound, match="no Noria home"):
        find_home(tmp_path.parent)


@pytest.mark.parametrize(
    ("host", "alone"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("noria.example", False)]
)
def test_loopback_addresses_are_known(host, alone):
    assert Settings(host=host).on_loopback is alone


def test_what_a_training_script_is_told_is_no_setting_of_a_home(tmp_path):
    read(tmp_path, environ={"NORIA_URL": "http://noria:7700", "NORIA_TOKEN": "secret", "NORIA_OFFLINE": "1"})

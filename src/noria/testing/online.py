"""What every online store promises, as a test class to inherit."""

from __future__ import annotations

from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from noria.ports.online import Online, OnlineRow


class OnlineContract:
    """Inherit as `class TestMine(OnlineContract)` and say how a store is opened."""

    @abstractmethod
    def open(self, folder: Path) -> Online:
        """A store that keeps what it keeps under `folder`; opened twice, it is the same store."""

    @pytest.fixture
    def online(self, tmp_path: Path) -> Online:
        """A fresh, empty store."""
        return self.open(tmp_path / "online")

    def test_rows_come_back_in_the_order_asked_for(self, online: Online) -> None:
        assert online.write("view", [("a", _row(1, x=1.5)), ("b", _row(2, x=2.5))]) == 2
        assert online.read("view", ["b", "nobody", "a", "b"]) == [_row(2, x=2.5), None, _row(1, x=1.5), _row(2, x=2.5)]

    def test_every_kind_of_value_keeps_its_type(self, online: Online) -> None:
        row = _row(-5, flag=True, count=3, share=0.1, text="ünïcode", nothing=None, large=2**60, tiny=5e-324)
        online.write("view", [("a", row)])
        (found,) = online.read("view", ["a"])
        assert found == row
        assert {name: type(value) for name, value in found.values.items()} == {name: type(value) for name, value in row.values.items()}

    def test_an_older_row_never_replaces_a_newer_one(self, online: Online) -> None:
        online.write("view", [("a", _row(10, x=10))])
        assert online.write("view", [("a", _row(9, x=9))]) == 0
        assert online.read("view", ["a"]) == [_row(10, x=10)]

    def test_a_row_of_the_same_time_is_a_correction(self, online: Online) -> None:
        online.write("view", [("a", _row(10, x=1)), ("a", _row(10, x=2))])
        assert online.read("view", ["a"]) == [_row(10, x=2)]

    def test_views_do_not_see_each_other(self, online: Online) -> None:
        online.write("view", [("a", _row(1, x=1))], watermark="one")
        online.write("view2", [("a", _row(1, x=2))], watermark="two")
        online.clear("view")
        assert online.read("view", ["a"]) == [None]
        assert online.read("view2", ["a"]) == [_row(1, x=2)]
        assert (online.watermark("view"), online.watermark("view2")) == ("", "two")

    def test_the_watermark_is_kept_with_its_rows(self, online: Online) -> None:
        assert online.watermark("view") == ""
        online.write("view", [], watermark="2013-01-01T00:00:00+00:00")
        online.write("view", [("a", _row(1, x=1))])
        assert online.watermark("view") == "2013-01-01T00:00:00+00:00"

    def test_a_write_that_fails_halfway_leaves_nothing(self, online: Online) -> None:
        def rows() -> object:
            yield "a", _row(1, x=1)
            raise RuntimeError("the source broke")

        with pytest.raises(RuntimeError, match="the source broke"):
            online.write("view", rows(), watermark="later")  # type: ignore[arg-type]
        assert online.read("view", ["a"]) == [None]
        assert online.watermark("view") == ""

    def test_any_text_can_name_an_entity(self, online: Online) -> None:
        names = ["", "a", "a\0b", "é" * 400, "é" * 400 + "x", "\0"]
        online.write("view", [(name, _row(1, x=place)) for place, name in enumerate(names)])
        assert online.read("view", names) == [_row(1, x=place) for place in range(len(names))]

    def test_readers_and_a_writer_work_at_the_same_time(self, online: Online, tmp_path: Path) -> None:
        other = self.open(tmp_path / "online")

        def read(_: int) -> bool:
            a, b = other.read("view", ["a", "b"])
            return (a and a.time_ms) == (b and b.time_ms)

        with ThreadPoolExecutor(4) as threads:
            whole = threads.map(read, range(300))
            for time_ms in range(100):
                online.write("view", [("a", _row(time_ms, x=1)), ("b", _row(time_ms, x=1))])
            assert all(whole)

    def test_what_was_written_is_there_when_opened_again(self, online: Online, tmp_path: Path) -> None:
        online.write("view", [("a", _row(1, x=1))], watermark="here")
        again = self.open(tmp_path / "online")
        assert again.read("view", ["a"]) == [_row(1, x=1)]
        assert again.watermark("view") == "here"


def _row(time_ms: int, **values: bool | int | float | str | None) -> OnlineRow:
    return OnlineRow(time_ms, values)

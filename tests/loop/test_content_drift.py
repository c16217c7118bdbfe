"""Texts, embeddings and images in whole loops: a column that a feature is computed from is watched for what it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from noria.core.errors import DeclarationInvalid
from noria.core.watching import DriftReference, Incident, Level, Reading
from noria.loop.declaration import check
from noria.ports import wire
from noria.stages.registry import versions

FUNCTIONS = """
import numpy as np

def embed(texts):
    if any("boom" in text for text in texts):
        raise RuntimeError("the encoder is gone")
    return np.array([[text.count(word) for word in ("box", "late", "fine", "torn")] for text in texts], dtype=float)

def pixels(texts):
    return [np.full((4, 6), min(len(text) * 3, 255), dtype=np.uint8) for text in texts]

@nr.on_demand(inputs=["note"])
def said(rows):
    return rows.select(rows["note"].str.len_chars().cast(float).alias("said"))

"""
WATCHED = """nr.text_drift("note", min_rows=150, k=1, m=1), nr.embedding_drift("note", embed=embed, min_rows=150, k=1, m=1),
    nr.image_drift("note", read=pixels, min_rows=150, k=1, m=1), """
USUAL, ANGRY = (0.4, 0.1, 0.4, 0.1), (0.2, 0.4, 0.1, 0.3)


def noted(rows, weights, seed, word=""):
    random = np.random.default_rng(seed)
    words = random.choice(["box", "late", "fine", "torn"], (rows.height, 5), p=weights)
    return rows.with_columns(note=pl.Series([" ".join([*one, *([word] if word else [])]) for one in words]))


def says(one, weights, word=""):
    """From now on, orders come with notes of words in these proportions."""
    plain = type(one.shop).orders

    def orders(day, n):
        return noted(plain(one.shop, day, n), weights, one.shop.number, word)

    one.shop.orders = orders


@pytest.fixture
def text(declaration):
    text = declaration.replace("@nr.feature_view(town", f"{FUNCTIONS}@nr.feature_view(town", 1)
    return text.replace("heat, product]", "heat, product, said]").replace("nr.drift(min_rows=150), ", WATCHED)


@pytest.fixture
def watched(noria, text):
    one = noria(declaration=text)
    history = Path(one.folder) / "history.parquet"
    noted(pl.read_parquet(history), USUAL, 1).write_parquet(history)
    says(one, USUAL)
    one.be_born()
    return one


def readings(one, monitor):
    found = one.world.documents.find(Reading, where={"loop": "orders", "monitor": monitor})
    return sorted(found, key=lambda reading: reading.time)


def test_what_texts_say_is_read_and_a_change_opens_a_notice_with_words_and_examples(watched):
    reference = versions.get(watched.world.records, "orders", 1).reference
    kept = wire.load(watched.world.blobs.read(reference), DriftReference).beside
    assert set(kept) == {"text-drift:note", "embedding-drift:note", "image-drift:note"}
    watched.days(1, parts=1)
    calm = [one for monitor in ("text-drift", "embedding-drift", "image-drift") for one in readings(watched, monitor)]
    assert len(calm) > 15 and not [one for one in calm if one.level is Level.NOT_ENOUGH]
    assert not [one for one in calm if one.level is Level.BREACH]
    says(watched, ANGRY)
    watched.days(2, parts=1)
    found = {one.subject: one for monitor in ("text-drift", "embedding-drift") for one in readings(watched, monitor)}
    assert found["note/domain"].level is Level.BREACH and found["note/clusters"].level is Level.BREACH
    assert "grew" in found["note/clusters"].note and "late" in found["note/clusters"].note
    incident = next(one for one in watched.world.documents.find(Incident) if one.trouble == "content")
    assert incident.severity == "notice" and "changed" in incident.title


def test_a_function_that_fails_is_told_and_stops_nothing(watched):
    says(watched, USUAL, word="boom")
    watched.days(1, parts=1)
    told = readings(watched, "embedding-drift")[-1]
    assert told.level is Level.NOT_ENOUGH and "the encoder is gone" in told.note
    assert readings(watched, "text-drift") and readings(watched, "quality")


def test_mistakes_in_what_is_watched_are_found_before_anything_runs(text, tmp_path, noria):
    one = noria(declaration=text)
    history = Path(one.folder) / "history.parquet"
    noted(pl.read_parquet(history), USUAL, 1).with_columns(memo=pl.lit("x")).write_parquet(history)
    file = Path(one.folder) / "shop.py"
    file.write_text(file.read_text().replace('text_drift("note"', 'text_drift("memo"').replace("embed=embed", "embed=None"))
    with pytest.raises(DeclarationInvalid) as caught:
        check(file)
    assert "no feature reads 'memo'" in str(caught.value) and "None is no function" in str(caught.value)
    file.write_text(file.read_text().replace('text_drift("memo"', 'text_drift("note", every="2d"), nr.text_drift("note"'))
    with pytest.raises(DeclarationInvalid, match="2 watches are text-drift:note"):
        check(file)

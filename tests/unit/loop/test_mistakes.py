from noria.loop.mistakes import nearest


def test_a_wrong_name_is_mended_by_the_nearest_known_one_or_by_a_bounded_list():
    assert nearest("distence", ["origin", "distance"]) == "did you mean 'distance'?"
    assert nearest("xyz", ["origin", "distance"]) == "there are distance, origin"
    assert nearest("xyz", []) == "there are none"
    assert len(nearest("xyz", [f"column {n}" for n in range(5_000)])) < 1_000

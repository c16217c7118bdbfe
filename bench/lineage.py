"""How long a question about lineage takes on a home with many versions: `python bench/lineage.py [VERSIONS]`."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "server"))

from sample import LOOP, write_sample

from noria.adapters.sqlite import Sqlite
from noria.core.data import DatasetVersion
from noria.core.lineage import Ingredients
from noria.core.registry import ModelVersion
from noria.ledger.documents import Documents
from noria.ledger.lineage.walking import lineage_of
from noria.ledger.lineage.web import web_of


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    sample = Documents(write_sample().records)
    version, made_of = sample.find(ModelVersion)[1], sample.find(Ingredients)[0]
    data = next(one for one in sample.find(DatasetVersion) if one.digest in version.datasets)
    with tempfile.TemporaryDirectory() as folder:
        documents = Documents(Sqlite(Path(folder) / "noria.db"))
        for number in range(1, count + 1):
            digest = f"sha256:{number:064x}"
            documents.records.commit(
                documents.write(replace(data, digest=digest)),
                documents.write(replace(version, number=number, datasets=(digest,), turn=f"turn_{number}")),
                documents.write(replace(made_of, number=number, datasets={"flights": digest}, turn=f"turn_{number}")),
            )
        began = time.perf_counter()
        web = web_of(documents.records)
        built = time.perf_counter() - began
        print(f"{count:,} versions, {len(web.nodes):,} things: the web in {built * 1000:,.0f} ms")
        for wanted, way in ((f"{LOOP}@{count}", "up"), ("wind_speed", "down"), ("dataset:flights", "down")):
            began = time.perf_counter()
            found = lineage_of(web, wanted, up=way == "up", down=way == "down")
            took = (time.perf_counter() - began) * 1000
            print(f"  {wanted} {way}: {len(found.nodes)} things, {found.left_out:,} left out, {took:,.1f} ms")


if __name__ == "__main__":
    main()

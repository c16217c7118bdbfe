"""The face of the package: light to import, complete, and true to its documents."""

import subprocess
import sys

import noria


def test_import_noria_loads_no_third_party_package_and_few_modules():
    code = (
        "import sys; before = set(sys.modules); import noria; "
        "new = set(sys.modules) - before; print(len(new)); "
        "print(sorted({m.split('.')[0] for m in new if m.split('.')[0] not in sys.stdlib_module_names and m.split('.')[0] != 'noria'}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert int(told[0]) <= 60
    assert told[1] == "[]"


def test_declaring_a_loop_needs_no_third_party_package():
    code = (
        "import sys, noria as nr; d = nr.Dataset('d', 'x.csv', key='id', time='t'); "
        "nr.Loop('a-loop', features=[d['a']], label=nr.Label(d['y']), train=lambda data, params: None, "
        "gates=[nr.at_least(roc_auc=0.7)], watch=[nr.drift()], expect=None) if False else None; "
        "print([m for m in ('numpy', 'polars', 'msgspec', 'sklearn') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_every_public_name_resolves_and_is_documented():
    for name in noria.__all__:
        value = getattr(noria, name)
        assert name == "__version__" or (value.__doc__ or "").strip(), name


def test_an_unknown_name_is_answered_with_the_known_ones():
    try:
        noria.Lop  # noqa: B018
    except AttributeError as error:
        assert "Loop" in str(error)
    else:
        raise AssertionError("noria.Lop exists")

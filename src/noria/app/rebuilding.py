"""Rebuilds a locked environment as a venv of its own, from the index that this machine's installer is configured for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import noria
from noria.core.environment import Difference, Distribution, Environment, differences
from noria.core.errors import NotAllowed, Unavailable
from noria.core.ids import digest_of
from noria.packaging.installed import environment
from noria.packaging.locks import read_environment
from noria.ports import wire

CARD = "environment.json"
"""In a rebuilt venv: what is installed there; written last, so its presence means that all is there."""

KEPT = 3
"""Rebuilt environments that are kept; the one that was used the longest ago goes first."""

NAMED = 20
_NOBODY = re.compile(
    r"(failed to establish a new connection|name or service not known|connection (refused|error|timed out)|network is unreachable|dns error|proxyerror)",
    re.IGNORECASE,
)
_MISSING = re.compile(r"No matching distribution found for (\S+)|satisfies the requirement (\S+)|no version of (\S+)", re.IGNORECASE)

_ASKED = "import dataclasses, json; from noria.packaging.installed import environment; print(json.dumps(dataclasses.asdict(environment())))"

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A Python with an environment.

    Attributes:
        python: Its program.
        here: Whether it is the one that runs this.
        differences: In what it differs from the lock, after all.
        notes: What a person should know besides.
    """

    python: str
    here: bool
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()


def this_one(lock: Environment) -> Rebuilt:
    """The running environment, held against the lock."""
    return Rebuilt(python=sys.executable, here=True, differences=differences(lock, _with_variables(environment(), lock)))


def rebuild(lock: Environment, folder: Path, *, told: Told = lambda said: None) -> Rebuilt:
    """Make a venv with exactly what the lock names, or take the one that was made before, and check what it holds.

    Nothing is resolved: each distribution is installed in its version, from the index or the folder it came from. Noria
    itself, where it came from a folder, is the one that runs this.

    Args:
        folder: Where rebuilt environments are kept, by the lock's digest.

    Raises:
        NotAllowed: this machine lacks the Python, or there is no installer.
        Unavailable: the index does not answer, or has not all of it; the message names what is missing.
    """
    place = folder / digest_of(wire.dump(lock)).removeprefix("sha256:")[:16]
    card = place / CARD
    if not card.exists():
        _make(lock, place, told)
    found = read_environment(card.read_bytes())
    card.touch()
    _tidy(folder)
    lent = [one for one in lock.distributions if _is_noria(one)]
    notes = [f"Noria is {noria.__version__}, the one that runs this: the version's, {one.version}, came from a folder" for one in lent]
    differs = [one for one in differences(lock, _with_variables(found, lock)) if not (lent and one.what == "noria")]
    return Rebuilt(python=str(_python(place)), here=False, differences=tuple(differs), notes=tuple(notes))


def _make(lock: Environment, place: Path, told: Told) -> None:
    interpreter = _interpreter(lock.python)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place, ignore_errors=True)
    told(f"making an environment for Python {lock.python}")
    try:
        _run([interpreter, "-m", "venv", "--without-pip", str(place)], what="the environment could not be made")
        wanted = [one for one in lock.distributions if not _is_noria(one)]
        _install(wanted, place, told)
        if any(_is_noria(one) for one in lock.distributions) or not _holds_noria(place):
            _site(place).joinpath("noria").symlink_to(Path(noria.__file__).parent)
        done = _run([str(_python(place)), "-c", _ASKED], what="the rebuilt environment does not run")
        (place / CARD).write_bytes(done.stdout)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _install(wanted: Sequence[Distribution], place: Path, told: Told) -> None:
    if not wanted:
        return
    lost = [one for one in wanted if one.local and not Path(one.origin.removeprefix("file://")).exists()]
    if lost:
        named = ", ".join(f"{one.name}=={one.version} ({one.origin})" for one in lost[:NAMED])
        raise Unavailable(f"the environment has what no index has, and its folder is gone: {named}", fix=_ELSEWHERE)
    told(f"installing {len(wanted)} distributions")
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "requirements.txt"
        listed.write_text("".join(f"{one.name} @ {one.origin}\n" if one.origin else f"{one.name}=={one.version}\n" for one in wanted))
        done = subprocess.run([*_installer(place), "-r", str(listed)], capture_output=True, text=True, check=False, env=_plain_environ())
    if done.returncode != 0:
        raise _untaken(done.stdout + done.stderr, wanted)


def _untaken(said: str, wanted: Sequence[Distribution]) -> Unavailable:
    """What an installer's complaint comes to."""
    installed = environment().named()
    absent = [one for one in wanted if (here := installed.get(one.name)) is None or here.version != one.version]
    pins = ", ".join(f"{one.name}=={one.version}" for one in absent[:NAMED]) + (
        f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
    )
    if _NOBODY.search(said):
        beside = f"not installed here either: {pins}" if absent else "all of it is installed here in these versions, though"
        return Unavailable(f"the package index does not answer, and {len(wanted)} distributions come from it; {beside}", fix=_ELSEWHERE)
    missing = list(dict.fromkeys(next(filter(None, found)).rstrip(".:;,") for found in _MISSING.findall(said)))
    if missing:
        return Unavailable(f"the package index has no {', '.join(missing[:NAMED])}", fix=_ELSEWHERE)
    return Unavailable(f"the environment could not be installed: {said.strip()[-1_500:]}", fix=_ELSEWHERE)


_ELSEWHERE = "name an index that has it (PIP_INDEX_URL, PIP_FIND_LINKS), or try what is installed here: `noria reproduce VERSION --here`"


def _installer(place: Path) -> list[str]:
    """What installed Noria here installs there too: uv or pip, as configured."""
    uv = shutil.which("uv")
    if uv and (_installed_by() == "uv" or not _has_pip()):
        return [uv, "pip", "install", "--python", str(_python(place)), "--no-deps", "--quiet"]
    if _has_pip():
        patience = ["--retries", "1", "--timeout", "20", "--disable-pip-version-check", "--no-input"]
        return [sys.executable, "-m", "pip", "--python", str(_python(place)), *patience, "install", "--no-deps", "--quiet"]
    raise NotAllowed("there is neither pip nor uv to install with", fix="`python -m ensurepip`, or `noria reproduce VERSION --here`")


def _interpreter(wanted: str) -> str:
    """A Python of the same minor version: the running one, or one that the path has."""
    minor = ".".join(wanted.split(".")[:2])
    if minor == f"{sys.version_info.major}.{sys.version_info.minor}" or not wanted:
        return sys.executable
    found = shutil.which(f"python{minor}")
    if found is None and (uv := shutil.which("uv")):
        done = subprocess.run([uv, "python", "find", minor], capture_output=True, text=True, check=False)
        found = done.stdout.strip() if done.returncode == 0 else None
    if not found:
        raise NotAllowed(
            f"it was made with Python {wanted}, and python{minor} is not on this machine", fix=f"install Python {minor}, or try `--here`"
        )
    return found


def _installed_by() -> str:
    try:
        return (distribution("noria").read_text("INSTALLER") or "").strip()
    except PackageNotFoundError:
        return ""


def _has_pip() -> bool:
    try:
        distribution("pip")
    except PackageNotFoundError:
        return False
    return True


def _is_noria(one: Distribution) -> bool:
    return one.name == "noria" and bool(one.origin)


def _holds_noria(place: Path) -> bool:
    return (_site(place) / "noria").exists()


def _python(place: Path) -> Path:
    return place / "bin" / "python"


def _site(place: Path) -> Path:
    return next((place / "lib").glob("python*")) / "site-packages"


def _plain_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def _with_variables(found: Environment, lock: Environment) -> Environment:
    """The environment as the work will have it: with the lock's variables, which are set for it."""
    return replace(found, variables=lock.variables)


def _run(command: Sequence[str], *, what: str) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(command, capture_output=True, check=False, env=_plain_environ(), cwd="/")
    if done.returncode != 0:
        raise Unavailable(f"{what}: {done.stderr.decode(errors='replace').strip()[-1_500:]}", fix=_ELSEWHERE)
    return done


def _tidy(folder: Path) -> None:
    cards = sorted(folder.glob(f"*/{CARD}"), key=lambda card: card.stat().st_mtime, reverse=True)
    for card in cards[KEPT:]:
        shutil.rmtree(card.parent, ignore_errors=True)

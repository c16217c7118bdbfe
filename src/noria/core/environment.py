"""What is installed where something was made: enough to install it again, and to say in what another place differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One installed distribution.

    Attributes:
        name: Normalised: small letters, dashes.
        content: Digest over its installed files, as its RECORD names them; the same for the same wheel wherever it is
            installed. "" = it has no RECORD.
        origin: URL that it was installed from instead of an index; "" = an index.
        editable: Whether it is a folder that its developers work in.
        archive: Hash of the archive that it was installed from (`sha256=…`), where the installer wrote it down.
        license: As its own metadata say, cut short.
    """

    name: str
    version: str
    content: str = ""
    origin: str = ""
    editable: bool = False
    archive: str = ""
    license: str = ""

    @property
    def local(self) -> bool:
        """Whether it came from a folder or file of the machine, where no index has it."""
        return self.origin.startswith("file:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A locked environment.

    Attributes:
        version: Of this layout; 0 = a list of names and versions, as the first Noria kept it.
        python: Such as "3.11.9".
        platform: As Python spells it, such as "Linux-6.1-x86_64-with-glibc2.36".
        machine: Such as "x86_64".
        processor: The processor's name: sums differ in their last digits between families of them.
        variables: Environment variables that numbers depend on, those that were set.
    """

    version: int = VERSION
    python: str
    platform: str
    implementation: str = "CPython"
    machine: str = ""
    processor: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    distributions: tuple[Distribution, ...] = ()

    def named(self) -> Mapping[str, Distribution]:
        """Distributions by name."""
        return {one.name: one for one in self.distributions}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in which two environments differ; "" on a side that lacks it.

    Attributes:
        what: A distribution's name, or "python", "platform", "processor", or a variable's name.
    """

    what: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.what}: {self.before or 'not there'} → {self.after or 'not there'}"


def differences(before: Environment, after: Environment) -> tuple[Difference, ...]:
    """In what two environments differ: what each lacks, other versions, and other files of the same version.

    >>> one = Environment(python="3.11.9", platform="p", distributions=(Distribution(name="numpy", version="2.0.0"),))
    >>> two = Environment(python="3.12.1", platform="p", distributions=(Distribution(name="numpy", version="2.1.0"),))
    >>> [str(found) for found in differences(one, two)]
    ['python: 3.11.9 → 3.12.1', 'numpy: 2.0.0 → 2.1.0']
    """
    found = [
        Difference(what=what, before=old, after=new)
        for what in ("python", "implementation", "platform", "machine", "processor")
        if (old := getattr(before, what)) and (new := getattr(after, what)) and old != new
    ]
    if before.version and after.version:
        for name in sorted({*before.variables, *after.variables}):
            old, new = before.variables.get(name, ""), after.variables.get(name, "")
            found += [Difference(what=name, before=old, after=new)] if old != new else []
    old_named, new_named = before.named(), after.named()
    for name in sorted({*old_named, *new_named}):
        was, is_now = old_named.get(name), new_named.get(name)
        if was is None or is_now is None or was.version != is_now.version:
            found.append(Difference(what=name, before=was.version if was else "", after=is_now.version if is_now else ""))
        elif was.content and is_now.content and was.content != is_now.content:
            found.append(
                Difference(what=name, before=f"{was.version} ({was.content[7:15]})", after=f"{is_now.version} ({is_now.content[7:15]})")
            )
    return tuple(found)

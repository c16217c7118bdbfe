"""What may be ordered about users: add, remove, give a password, grant and take a role. Each is on the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from noria.core.errors import NotAllowed, NotFound, RequestInvalid
from noria.core.identities import AccessToken, Session, User, canonical, token_id
from noria.core.rights import ANYWHERE, Role
from noria.ledger.access.books import LIMIT, AccessBooks, admittance, change, user_of
from noria.ports.passwords import Passwords
from noria.ports.records import Write

SHORTEST, LONGEST = 12, 1_024
"""Characters of a password."""


class Users:
    """People and programs with their roles. Thread-safe: each verb is one commit."""

    def __init__(self, books: AccessBooks, passwords: Passwords) -> None:
        self._books = books
        self._passwords = passwords

    def all(self, *, removed: bool = False) -> list[User]:
        """Users by name, without those who were removed unless they are asked for."""
        return [one for one in self._books.documents.find(User, limit=LIMIT) if one.here or removed]

    def get(self, name: str) -> User:
        """One user.

        Raises:
            NotFound: nobody here has the name.
        """
        return self._held(name)[0]

    def add(self, name: str, *, password: str = "", roles: Mapping[str, Role] | None = None, service: bool = False, by: str) -> User:
        """Make a user. From the first one on, everybody is asked who they are.

        Raises:
            RequestInvalid: the name or the password will not do.
            NotAllowed: somebody has the name.
        """
        named = canonical(name)
        if not named:
            raise RequestInvalid(
                f"{name[:80]!r} can be no user's name",
                fields={"name": "must be 1 to 64 of a-z, 0-9, '.', '_', '-', '+' and '@', and none that Noria itself uses"},
            )
        before = self._books.documents.revision(User, named)
        if before is not None and before[0].here:
            raise NotAllowed(f"there is a user {named} already", fix=f"noria users password {named}, or choose another name")
        made = User(
            name=named,
            made_at=self._books.wall.now(),
            roles=dict(roles or {}),
            password=self._kept(named, password) if password else "",
            service=service,
            by=by,
            generation=before[0].generation + 1 if before else 1,
        )
        write = self._books.documents.write(made, expect=before[1] if before else 0)
        what = "a program" if service else "a person"
        self._change([write], "user.added", made, by, what, _said(made.roles), asks=True)
        return made

    def remove(self, name: str, *, by: str, because: str = "") -> User:
        """Take a user away, with all tokens and sessions; everybody is asked who they are all the same.

        Raises:
            NotFound: nobody here has the name.
        """
        user, revision = self._held(name)
        now = self._books.wall.now()
        gone = replace(user, removed_at=now, roles={}, password="", outside="", generation=user.generation + 1)
        writes: list[Write] = [self._books.documents.write(gone, expect=revision)]
        for token in self._books.documents.find(AccessToken, where={"user": user.name}, limit=LIMIT):
            if token.revoked_at is None:
                writes.append(self._books.documents.write(replace(token, revoked_at=now)))
        for session in self._books.documents.find(Session, where={"user": user.name}, limit=LIMIT):
            if session.ended_at is None:
                writes.append(self._books.documents.write(replace(session, ended_at=now)))
        self._change(writes, "user.removed", gone, by, because)
        return gone

    def password(self, name: str, password: str, *, by: str) -> User:
        """Give a new password; every session of the user is over, tokens stay.

        Raises:
            NotFound: nobody here has the name.
            NotAllowed: it is a program.
            RequestInvalid: the password will not do.
        """
        user, revision = self._held(name)
        if user.service:
            raise NotAllowed(f"{user.name} is a program, and has no password", fix=f"noria tokens add {user.name}")
        new = replace(user, password=self._kept(user.name, password), generation=user.generation + 1)
        self._change([self._books.documents.write(new, expect=revision)], "user.password", new, by)
        return new

    def grant(self, name: str, role: Role, *, project: str = ANYWHERE, by: str, because: str = "") -> User:
        """Let a user be something in a project, or everywhere where nothing else is said.

        Raises:
            NotFound: nobody here has the name.
        """
        user, revision = self._held(name)
        new = replace(user, roles={**user.roles, project: role})
        self._change([self._books.documents.write(new, expect=revision)], "role.granted", new, by, f"{role} in {place(project)}", because)
        return new

    def revoke(self, name: str, *, project: str = ANYWHERE, by: str, because: str = "") -> User:
        """Take the role of a project away.

        Raises:
            NotFound: nobody here has the name, or they have no role of their own there.
        """
        user, revision = self._held(name)
        if project not in user.roles:
            raise NotFound(f"{user.name} has no role of their own in {place(project)}", fix="`noria users list` shows who has which")
        new = replace(user, roles={where: role for where, role in user.roles.items() if where != project})
        said = f"{user.roles[project]} in {place(project)}"
        self._change([self._books.documents.write(new, expect=revision)], "role.revoked", new, by, said, because)
        return new

    def open(self, *, by: str, because: str = "") -> None:
        """Ask nobody on this machine any more who they are.

        Raises:
            NotAllowed: there are users, or nobody is asked anyway.
        """
        here = self.all()
        if here:
            raise NotAllowed(f"there are {len(here)} users, such as {here[0].name}", fix="remove them first: `noria users remove NAME`")
        if not admittance(self._books)[0].asks:
            raise NotAllowed("nobody on this machine is asked who they are")
        change(self._books, [], "users.opened", "users", by=by, reasons=[because], asks=False)

    def _held(self, name: str) -> tuple[User, int]:
        found = user_of(self._books, name.strip().lower()[:100])
        if found is None:
            raise NotFound(f"there is no user {name[:80]!r}", fix="`noria users list` names them")
        return found

    def _kept(self, name: str, password: str) -> str:
        wrong = ""
        if not SHORTEST <= len(password) <= LONGEST:
            wrong = f"must have {SHORTEST} to {LONGEST:,} characters"
        elif token_id(password):
            wrong = "looks like a token"
        elif len(set(password)) < 5 or password.lower() in (name, name[::-1], name * 2):
            wrong = "is too easily guessed"
        if wrong:
            raise RequestInvalid(f"the password {wrong}", fields={"password": wrong})
        return self._passwords.kept(password)

    def _change(self, writes: list[Write], kind: str, user: User, by: str, *reasons: str, asks: bool | None = None) -> None:
        change(self._books, writes, kind, user.name, by=by, reasons=reasons, asks=asks)


def place(project: str) -> str:
    """A project as a sentence says it."""
    return "every project" if project == ANYWHERE else f"project {project}"


def _said(roles: Mapping[str, Role]) -> str:
    return ", ".join(f"{role} in {place(project)}" for project, role in roles.items()) or "no role yet"

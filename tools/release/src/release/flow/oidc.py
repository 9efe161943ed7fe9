"""``release ci oidc``: what Terraform lets a workflow's job be, compared with what jobs ask for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from release.checks.rule import Finding
from release.ci import oidc
from release.ci.oidc import AWS_AUDIENCE, AZURE_AUDIENCE, FILE, HOST, Trust
from release.errors import ConfigError, Place, StorageError
from release.formats.hcl import Block, Items, Other, Table, Text, Value, parse, texts
from release.repository.git import Repository
from release.workspace.config import CONFIG, load, locate

__all__ = ["check", "derive", "drift", "without_numbers", "write"]

_SUBJECT = re.compile(r"repo:[^/\s]+/\S")
_MENTION = re.compile(
    rb"token\.actions\.githubusercontent\.com|repo:[^/\s]+/|workloadIdentityPools/|aws_iam_role|openid_connect_provider"
)
_USE = "use local.github_oidc, which `release ci oidc --write` makes"


def derive(repository: Repository) -> tuple[tuple[Trust, ...], bytes | None]:
    """Return the identities that jobs ask for by ``release.yaml`` as it is on disk, and that file's content.

    Raises:
        ConfigError: see :func:`release.ci.oidc.claims`.
    """
    path = repository.root / CONFIG
    content = path.read_bytes() if path.is_file() else None
    return oidc.claims(load(content), content), content


def without_numbers(trusts: Sequence[Trust], content: bytes | None) -> Iterator[Finding]:
    """Yield that the repository's numbers are missing, without which the immutable form can't be derived."""
    if trusts and not trusts[0].immutable:
        yield Finding(
            "no-numbers",
            "the repository's numbers are not set, so jobs whose sub has them are refused (see docs/release/oidc.md)",
            locate(content, "github"),
            "set github.repository-id and github.owner-id: gh api repos/OWNER/NAME --jq '.id, .owner.id'",
            severity="warning",
        )


def write(folder: Path, trusts: tuple[Trust, ...]) -> Path:
    """Write the Terraform file of ``trusts`` into ``folder`` and return its path.

    Raises:
        StorageError: it can't be written.
    """
    path = folder / FILE
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(oidc.terraform(trusts), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"{path} can't be written: {error.strerror}", fix="free space or mend permissions") from None
    return path


def drift(folder: Path, trusts: tuple[Trust, ...]) -> list[str]:
    """Return the lines of the difference between :data:`FILE` in ``folder`` and what is derived; none when equal."""
    path = folder / FILE
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    after = oidc.terraform(trusts)
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), str(path), "derived", lineterm=""))


def check(folder: Path, trusts: tuple[Trust, ...]) -> list[Finding]:
    """Return where Terraform files below ``folder`` trust more or less than jobs ask for, by place.

    Only what is written out can be judged: a value that refers to another is taken to be right.

    Raises:
        ConfigError: there is no such folder.
        FormatError: a file that says something about GitHub's tokens is no valid Terraform source.
    """
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}", fix="name the folder of the Terraform files")
    findings: list[Finding] = []
    if drift(folder, trusts):
        what = f"{FILE} is not what release.yaml asks for" if (folder / FILE).is_file() else f"there is no {FILE}"
        findings.append(Finding("drift", what, Place(str(folder / FILE)), f"release ci oidc --write {folder}"))
    modules: dict[Path, dict[str, Block]] = {}
    for path in sorted(folder.rglob("*.tf")):
        if ".terraform" in path.relative_to(folder).parts or not path.is_file():
            continue
        content = path.read_bytes()
        modules.setdefault(path.parent, {})
        if _MENTION.search(content):
            modules[path.parent][str(path)] = parse(content, str(path))
    for files in modules.values():
        findings += _Module(files, trusts).findings()
    return sorted(findings, key=lambda one: (one.place.path, one.place.line, one.what))


@dataclass(frozen=True, slots=True)
class _Condition:
    test: str
    claim: str
    values: Value
    place: Place


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement of an AWS trust policy about GitHub's tokens; ``opaque``: a part of it is not written out."""

    conditions: tuple[_Condition, ...]
    opaque: bool
    place: Place
    roles: tuple[str, ...]


@dataclass(slots=True)
class _Module:
    """The files of one folder, which is one Terraform module."""

    files: Mapping[str, Block]
    trusts: tuple[Trust, ...]
    _judged: set[tuple[Place, str]] = field(default_factory=set)

    def findings(self) -> Iterator[Finding]:
        blocks = [block for file in self.files.values() for block in file.blocks]
        for statement in self._statements(blocks):
            yield from self._aws(statement)
        yield from self._azure(blocks)
        for block in blocks:
            yield from self._gcp(block)
        for file in self.files.values():
            yield from self._elsewhere(file)

    def _subjects(self, cloud: str = "") -> set[str]:
        return {one for trust in self.trusts if cloud in ("", trust.cloud) for one in trust.subjects}

    # AWS

    def _statements(self, blocks: Sequence[Block]) -> Iterator[_Statement]:
        roles: dict[str, list[str]] = {}
        for block in blocks:
            policy = block.attributes.get("assume_role_policy")
            if block.labels[:1] != ("aws_iam_role",) or policy is None:
                continue
            name = block.attributes.get("name")
            named = [name.text] if isinstance(name, Text) and name.whole else []
            if isinstance(policy, Other) and (found := re.search(r"aws_iam_policy_document\.([\w-]+)", policy.source)):
                roles.setdefault(found[1], []).extend(named)
            for table in _tables(policy):
                if (statement := _from_table(table, named)) is not None:
                    yield statement
        for block in blocks:
            if block.type == "data" and block.labels[:1] == ("aws_iam_policy_document",):
                for inner in block.inside("statement"):
                    if (statement := _from_block(inner, roles.get(block.labels[1], []))) is not None:
                        yield statement

    def _aws(self, statement: _Statement) -> Iterator[Finding]:
        asked = [trust for trust in self.trusts if trust.cloud == "aws"]
        linked = [trust for trust in asked if trust.identity.rpartition("/")[2] in statement.roles]
        for role in statement.roles:
            if role not in {trust.identity.rpartition("/")[2] for trust in asked}:
                what = f"the role {role} trusts GitHub's tokens, and no job asks for it"
                yield Finding("not-asked-for", what, statement.place, "remove it, or name it under environments")
        allowed = {one for trust in linked or asked for one in trust.subjects}
        numbers = {trust.repository_id for trust in asked}
        seen: dict[str, list[Text]] = {"sub": [], "aud": []}
        whole = not statement.opaque
        for one in statement.conditions:
            base = one.test.removeprefix("ForAnyValue:")
            if base.startswith("ForAllValues:") or base.endswith("IfExists"):
                what = f"{one.test} on {one.claim} also lets in a token that has no such claim"
                yield Finding("too-wide", what, one.place, "write StringEquals")
            elif one.claim == "sub" and base not in ("StringEquals", "StringLike"):
                yield Finding("wrong-operator", f"{one.test} on sub is no exact match", one.place, "write StringEquals")
            found = list(texts(one.values))
            seen.setdefault(one.claim, []).extend(found)
            if one.claim == "sub":
                whole = whole and _written_out(one.values)
                for text in found:
                    yield from self._judge(text, allowed, patterns=base == "StringLike")
            elif one.claim == "aud":
                yield from _only(found, {AWS_AUDIENCE}, "audience")
            elif one.claim == "repository_id":
                yield from _only(found, numbers, "repository")
        if statement.opaque:
            return
        claims = {one.claim for one in statement.conditions}
        if "sub" not in claims:
            what = "no condition on sub: a job of any repository on GitHub may have this role"
            yield Finding("too-wide", what, statement.place, _USE)
        if "aud" not in claims:
            what = "no condition on aud: a token made for another service is taken too"
            yield Finding("no-audience", what, statement.place, f'StringEquals "{HOST}:aud" = "{AWS_AUDIENCE}"')
        literals = {text.text for text in seen["sub"]}
        if whole and literals & allowed:
            wanted = allowed if linked else {twin for one in literals & allowed for twin in self._twins(one, "aws")}
            yield from _missing(wanted - literals, statement.place)

    # Google

    def _gcp(self, block: Block) -> Iterator[Finding]:
        if block.labels[:1] != ("google_iam_workload_identity_pool_provider",):
            return
        issuers = [text.text for inner in block.inside("oidc") for text in _attribute(inner, "issuer_uri")]
        if not any(HOST in issuer for issuer in issuers):
            return
        wanted = {oidc.gcp_condition(self.trusts, trust.provider) for trust in self.trusts if trust.cloud == "gcp"}
        condition = block.attributes.get("attribute_condition")
        if condition is None:
            what = "no attribute_condition: a job of any repository on GitHub is let in"
            yield Finding("too-wide", what, block.place, _USE)
        elif isinstance(condition, Text) and condition.whole:
            self._judged.add((condition.place, condition.text))
            if _squeezed(condition.text) not in {_squeezed(one) for one in wanted}:
                what = "attribute_condition is not what jobs ask for"
                fix = f"write {' or '.join(sorted(wanted))}" if wanted else "remove the provider: no job asks for it"
                yield Finding("too-wide", what, condition.place, fix)
        mapping = block.attributes.get("attribute_mapping")
        subject = mapping.get("google.subject") if isinstance(mapping, Table) else None
        if isinstance(subject, Text) and subject.whole and subject.text != "assertion.sub":
            what = f"google.subject is {subject.text}, so members can't be told apart by sub"
            yield Finding("wrong-mapping", what, subject.place, 'write "google.subject" = "assertion.sub"')

    def _principal(self, text: Text) -> Iterator[Finding]:
        pools = {re.sub(r"/providers/[^/]+$", "", trust.provider) for trust in self.trusts if trust.cloud == "gcp"}
        ours = any(f"/{pool}/" in text.text for pool in pools)
        if text.text.startswith("principalSet://"):
            if ours or "/attribute.repository" in text.text:
                what = f"{text.text} lets in every job with this attribute, whatever it is for"
                yield Finding("too-wide", what, text.place, "name subjects: principal://…/subject/repo:…")
            return
        subject = text.text.partition("/subject/")[2]
        if text.whole and (ours or _SUBJECT.match(subject)) and subject not in self._subjects("gcp"):
            what = f"{subject} is trusted, and no job asks for it"
            yield Finding("not-asked-for", what, text.place, _USE)

    # Azure

    def _azure(self, blocks: Iterable[Block]) -> Iterator[Finding]:
        literals: dict[str, Place] = {}
        whole = True
        for block in blocks:
            kind = block.labels[0] if block.labels else ""
            if kind == "azuread_application_flexible_federated_identity_credential":
                if any(HOST in text.text for text in _attribute(block, "issuer")):
                    what = "an expression matches more than the subjects that jobs ask for"
                    yield Finding(
                        "too-wide", what, block.place, "use azuread_application_federated_identity_credential"
                    )
                    self._judged |= {(one.place, one.text) for one in _attribute(block, "claims_matching_expression")}
                continue
            if not kind.endswith("federated_identity_credential"):
                continue
            found = list(_attribute(block, "subject"))
            if not found and "subject" in block.attributes:
                whole = False
            for text in found:
                if not (_SUBJECT.match(text.text) or any(HOST in one.text for one in _attribute(block, "issuer"))):
                    continue
                yield from self._judge(text, self._subjects("azure"), patterns=False)
                whole = whole and text.whole
                literals[text.text] = text.place
                audiences = [*_attribute(block, "audience"), *_attribute(block, "audiences")]
                yield from _only(audiences, {AZURE_AUDIENCE}, "audience")
        if whole:
            for subject, place in literals.items():
                if subject in self._subjects("azure"):
                    yield from _missing(self._twins(subject, "azure") - literals.keys(), place)

    # All

    def _twins(self, subject: str, cloud: str) -> set[str]:
        """Return both forms of ``subject``."""
        found: set[str] = set()
        for trust in self.trusts:
            if trust.cloud == cloud and subject in trust.subjects:
                context = subject.split(":", 2)[2]
                found |= {one for one in trust.subjects if one.split(":", 2)[2] == context}
        return found

    def _judge(self, text: Text, allowed: set[str], *, patterns: bool) -> Iterator[Finding]:
        self._judged.add((text.place, text.text))
        literal = re.sub(r"\$\{.*?\}", "", text.text)
        if patterns and re.search(r"[*?]", literal):
            what = f"{text.text} is a pattern and lets in more than the jobs that ask for it"
            yield Finding("too-wide", what, text.place, _USE)
        elif text.whole and text.text not in allowed:
            what = f"{text.text} is trusted, and no job asks for it"
            yield Finding("not-asked-for", what, text.place, _USE)

    def _elsewhere(self, file: Block) -> Iterator[Finding]:
        """Yield what is wrong about subjects that stand anywhere else, such as in a module's arguments."""
        for text in _all_texts(file):
            if (text.place, text.text) in self._judged:
                continue
            if text.text.startswith(("principal://", "principalSet://")):
                yield from self._principal(text)
            elif _SUBJECT.match(text.text):
                yield from self._judge(text, self._subjects(), patterns=True)


def _from_block(block: Block, roles: Sequence[str]) -> _Statement | None:
    conditions = []
    opaque = False
    github = False
    for one in block.inside("condition"):
        test, variable, values = (one.attributes.get(name) for name in ("test", "variable", "values"))
        if not (isinstance(test, Text) and isinstance(variable, Text) and values is not None):
            opaque = True
            github = github or "github_oidc" in _sources(one)
            continue
        if _is_github(variable, values):
            github = True
            conditions.append(_Condition(test.text, variable.text.rpartition(":")[2], values, one.place))
    named = " ".join(_sources(inner) for inner in block.inside("principals"))
    if not github and not _names_github(named):
        return None
    return _Statement(tuple(conditions), opaque, block.place, tuple(roles))


def _from_table(table: Table, roles: Sequence[str]) -> _Statement | None:
    condition = table.get("Condition")
    conditions = []
    opaque = condition is not None and not isinstance(condition, Table)
    github = isinstance(condition, Other) and "github_oidc" in condition.source
    for test, variables in condition.entries if isinstance(condition, Table) else ():
        if not isinstance(variables, Table):
            opaque = True
            continue
        for name, values in variables.entries:
            if _is_github(Text(name, True, values.place), values):
                github = True
                conditions.append(_Condition(test, name.rpartition(":")[2], values, values.place))
    principal = table.get("Principal")
    if not github and not (principal is not None and _names_github(_source(principal))):
        return None
    return _Statement(tuple(conditions), opaque, table.place, tuple(roles))


def _is_github(variable: Text, values: Value) -> bool:
    return HOST in variable.text or (
        variable.text.endswith((":sub", ":aud"))
        and ("github" in variable.text.lower() or any(_SUBJECT.match(text.text) for text in texts(values)))
    )


def _names_github(source: str) -> bool:
    return HOST in source or ("openid_connect_provider" in source and "github" in source.lower())


def _tables(value: Value) -> Iterator[Table]:
    """Yield the objects in ``value`` that are statements: those with an action or a condition."""
    match value:
        case Table(entries=entries):
            if value.get("Condition") is not None or value.get("Action") is not None:
                yield value
            for _, one in entries:
                yield from _tables(one)
        case Items(values=values):
            for one in values:
                yield from _tables(one)
        case Text():
            return
        case Other(inner=inner):
            for one in inner:
                yield from _tables(one)
        case _:
            for one in value.arguments:
                yield from _tables(one)


def _source(value: Value) -> str:
    match value:
        case Text(text=text):
            return text
        case Other(source=source):
            return source
        case Items(values=values):
            return " ".join(_source(one) for one in values)
        case Table(entries=entries):
            return " ".join(_source(one) for _, one in entries)
        case _:
            return " ".join(_source(one) for one in value.arguments)


def _sources(block: Block) -> str:
    return " ".join(_source(one) for one in block.attributes.values())


def _written_out(value: Value) -> bool:
    """Tell whether ``value`` is a text or a list of texts in which nothing is interpolated."""
    match value:
        case Text(whole=whole):
            return whole
        case Items(values=values):
            return all(_written_out(one) for one in values)
        case _:
            return False


def _attribute(block: Block, name: str) -> Iterator[Text]:
    value = block.attributes.get(name)
    if value is not None:
        yield from texts(value)


def _all_texts(block: Block) -> Iterator[Text]:
    for value in block.attributes.values():
        yield from texts(value)
    for inner in block.blocks:
        yield from _all_texts(inner)


def _only(found: Iterable[Text], right: set[str], what: str) -> Iterator[Finding]:
    for text in found:
        if text.whole and text.text not in right:
            fix = f"write {', '.join(sorted(filter(None, right)))}"
            yield Finding(f"wrong-{what}", f"{text.text} is not the {what} of our jobs' tokens", text.place, fix)


def _missing(subjects: Iterable[str], place: Place) -> Iterator[Finding]:
    for subject in sorted(subjects):
        yield Finding("missing", f"{subject} is not trusted, and jobs ask with it", place, _USE)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)

"""GitHub Actions expressions as values.

An expression is built from contexts, literals and operators, never from text, so it can't be malformed and nothing
can be injected into it. Source: https://docs.github.com/en/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "Expression",
    "Template",
    "always",
    "both",
    "call",
    "cancelled",
    "context",
    "either",
    "equal",
    "failure",
    "literal",
    "negated",
    "unequal",
]

_CONTEXT = re.compile(r"[a-z_]+(\.([A-Za-z_][A-Za-z0-9_-]*|\*))*")
_FUNCTIONS = frozenset(
    {"always", "cancelled", "case", "contains", "endsWith", "failure", "format", "fromJSON", "hashFiles", "join"}
    | {"startsWith", "success", "toJSON"}
)
_ATOM, _NOT, _COMPARE, _AND, _OR = range(5)


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression; :attr:`text` is what stands between ``${{`` and ``}}``."""

    text: str
    binding: int = _ATOM
    """How loosely its outermost operator binds."""

    def __str__(self) -> str:
        return f"${{{{ {self.text} }}}}"

    def within(self, binding: int) -> str:
        """Return the text for use below an operator of ``binding``, in parentheses where it binds less."""
        return f"({self.text})" if self.binding > binding else self.text


@dataclass(frozen=True, slots=True)
class Template:
    """Text with expressions in it, such as ``release-${{ github.ref }}``."""

    parts: tuple[str | Expression, ...]

    @classmethod
    def of(cls, *parts: str | Expression) -> Template:
        """Return the template of ``parts``; raise ``ValueError`` where a text part holds an expression."""
        for part in parts:
            if isinstance(part, str) and "${{" in part:
                raise ValueError(f"{part!r} holds an expression as text")
        return cls(parts)

    def __str__(self) -> str:
        return "".join(map(str, self.parts))


def context(path: str) -> Expression:
    """Return a context's value, such as ``github.event_name``; raise ``ValueError`` for what is no such path."""
    if not _CONTEXT.fullmatch(path):
        raise ValueError(f"{path!r} is no context")
    return Expression(path)


def literal(value: str | bool | int | None) -> Expression:
    """Return a literal; a quote in text is doubled."""
    match value:
        case None:
            return Expression("null")
        case bool():
            return Expression("true" if value else "false")
        case int():
            return Expression(str(value))
        case str():
            quoted = value.replace("'", "''")
            return Expression(f"'{quoted}'")


def call(function: str, *arguments: Expression) -> Expression:
    """Return a call; raise ``ValueError`` for a function that GitHub doesn't have."""
    if function not in _FUNCTIONS:
        raise ValueError(f"there is no function {function!r}")
    return Expression(f"{function}({', '.join(argument.text for argument in arguments)})")


def equal(left: Expression, right: str | bool | int | None) -> Expression:
    """Return the comparison with a literal."""
    return Expression(f"{left.within(_NOT)} == {literal(right).text}", _COMPARE)


def unequal(left: Expression, right: str | bool | int | None) -> Expression:
    """Return the comparison that tells what differs from a literal."""
    return Expression(f"{left.within(_NOT)} != {literal(right).text}", _COMPARE)


def negated(one: Expression) -> Expression:
    """Return the negation."""
    return Expression(f"!{one.within(_NOT)}", _NOT)


def both(*terms: Expression) -> Expression:
    """Return the conjunction of ``terms``."""
    return _joined(" && ", _AND, terms)


def either(*terms: Expression) -> Expression:
    """Return the disjunction of ``terms``."""
    return _joined(" || ", _OR, terms)


def always() -> Expression:
    """Return ``always()``: also after a failure or a cancellation."""
    return call("always")


def failure() -> Expression:
    """Return ``failure()``: something before failed."""
    return call("failure")


def cancelled() -> Expression:
    """Return ``cancelled()``: the run is being cancelled."""
    return call("cancelled")


def _joined(operator: str, binding: int, terms: tuple[Expression, ...]) -> Expression:
    if len(terms) == 1:
        return terms[0]
    return Expression(operator.join(term.within(binding) for term in terms), binding)

"""What is written means what was built: read back by GitHub's precedence, an expression has the same value.

Precedence: https://docs.github.com/en/actions/reference/workflows-and-actions/expressions#operators, by which ``!``
binds most, then comparisons, then ``&&``, then ``||``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.ci.expression import Expression, Template, both, call, context, either, equal, literal, negated, unequal

Environment = Mapping[str, str]
Meaning = Callable[[Environment], object]
_NAMES = ("needs.a.result", "needs.b.result", "github.event_name")
_WORDS = ("success", "it's", "", "a || b", "!x")


def _truth(value: object) -> bool:
    return value not in (False, "", None, 0)


def _leaf(name: str) -> tuple[Expression, Meaning]:
    return context(name), lambda environment: environment[name]


def _compared(name: str, word: str, same: bool) -> tuple[Expression, Meaning]:
    build = equal if same else unequal
    return build(context(name), word), lambda environment: (environment[name] == word) is same


def _not(inner: tuple[Expression, Meaning]) -> tuple[Expression, Meaning]:
    return negated(inner[0]), lambda environment: not _truth(inner[1](environment))


def _all(inner: list[tuple[Expression, Meaning]]) -> tuple[Expression, Meaning]:
    return both(*(one for one, _ in inner)), lambda environment: all(_truth(one(environment)) for _, one in inner)


def _any(inner: list[tuple[Expression, Meaning]]) -> tuple[Expression, Meaning]:
    return either(*(one for one, _ in inner)), lambda environment: any(_truth(one(environment)) for _, one in inner)


_BUILT = st.recursive(
    st.one_of(
        st.builds(_leaf, st.sampled_from(_NAMES)),
        st.builds(_compared, st.sampled_from(_NAMES), st.sampled_from(_WORDS), st.booleans()),
    ),
    lambda inner: st.one_of(
        st.builds(_not, inner),
        st.builds(_all, st.lists(inner, min_size=1, max_size=3)),
        st.builds(_any, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=12,
)

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|[!()]|[A-Za-z_][\w.-]*)")


def _value(text: str, environment: Environment) -> object:
    """Return the value of an expression, worked out by GitHub's precedence."""
    tokens = _TOKEN.findall(text)
    assert "".join(tokens) == re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", text), "every sign was read"
    found = _or(tokens, environment)
    assert tokens == [], "it was read to its end"
    return found


def _or(tokens: list[str], environment: Environment) -> object:
    found = _and(tokens, environment)
    while tokens[:1] == ["||"]:
        tokens.pop(0)
        other = _and(tokens, environment)
        found = found if _truth(found) else other
    return found


def _and(tokens: list[str], environment: Environment) -> object:
    found = _comparison(tokens, environment)
    while tokens[:1] == ["&&"]:
        tokens.pop(0)
        other = _comparison(tokens, environment)
        found = other if _truth(found) else found
    return found


def _comparison(tokens: list[str], environment: Environment) -> object:
    found = _unary(tokens, environment)
    while tokens[:1] in (["=="], ["!="]):
        same = tokens.pop(0) == "=="
        found = (found == _unary(tokens, environment)) is same
    return found


def _unary(tokens: list[str], environment: Environment) -> object:
    match tokens.pop(0):
        case "!":
            return not _truth(_unary(tokens, environment))
        case "(":
            found = _or(tokens, environment)
            assert tokens.pop(0) == ")"
            return found
        case word if word.startswith("'"):
            return word[1:-1].replace("''", "'")
        case name:
            return environment[name]


@given(_BUILT, st.fixed_dictionaries({name: st.sampled_from(_WORDS) for name in _NAMES}))
def test_an_expression_has_the_value_that_it_was_built_for(
    built: tuple[Expression, Meaning], environment: Environment
) -> None:
    expression, meaning = built
    assert _truth(_value(expression.text, environment)) == _truth(meaning(environment))
    assert str(expression) == f"${{{{ {expression.text} }}}}"


@given(st.text())
def test_a_literal_is_read_back(text: str) -> None:
    written = literal(text).text
    assert re.fullmatch(r"'(?:[^']|'')*'", written, re.DOTALL)
    assert written[1:-1].replace("''", "'") == text


@given(st.text())
def test_no_text_becomes_a_context_that_is_none(text: str) -> None:
    try:
        found = context(text)
    except ValueError:
        return
    assert re.fullmatch(r"[\w.*-]+", found.text, re.ASCII)


def test_text_with_an_expression_in_it_is_refused() -> None:
    with pytest.raises(ValueError, match="holds an expression as text"):
        Template.of("release-${{ github.head_ref }}")
    with pytest.raises(ValueError, match="no function"):
        call("system", literal("rm"))

from __future__ import annotations

import pytest

from release.errors import FormatError
from release.formats.helmignore import helm_ignored


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        ("", ["templates/.hidden"], ["templates/a.yaml", ".hidden", "Chart.yaml"]),
        ("*.md", ["README.md", "docs/a.md"], ["README.txt"]),
        ("/docs", ["docs", "docs/a"], ["templates/docs"]),
        ("docs/", ["docs/a", "templates/docs/a"], ["docs"]),
        ("docs/*.md", ["docs/a.md"], ["docs/x/a.md", "other/docs/a.md"]),
        ("# docs\n\n  *.tmp  ", ["a.tmp"], ["docs/a"]),
        ("a?c\n[xy].txt", ["abc", "x.txt"], ["ac", "z.txt"]),
        ("!docs/", ["Chart.yaml", "docs/a", "templates/a.yaml"], []),
        ("!*.yaml", ["README.md", "templates/a.yaml"], ["Chart.yaml"]),
    ],
)
def test_a_rule_leaves_out_what_helm_leaves_out(rules: str, ignored: list[str], kept: list[str]) -> None:
    decide = helm_ignored(rules.encode(), "chart/.helmignore")
    assert [path for path in ignored if not decide(path)] == []
    assert [path for path in kept if decide(path)] == []


def test_without_a_file_only_hidden_templates_are_left_out() -> None:
    decide = helm_ignored(None, "chart/.helmignore")
    assert (decide("templates/.x"), decide("values.yaml")) == (True, False)


def test_two_stars_are_refused_at_their_line() -> None:
    with pytest.raises(FormatError) as refused:
        helm_ignored(b"a\n**/b\n", "chart/.helmignore")
    assert str(refused.value.where[0]) == "chart/.helmignore:2"

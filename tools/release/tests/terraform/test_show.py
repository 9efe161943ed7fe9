"""What is read from a plan's data; the form is Terraform's JSON output format."""

from __future__ import annotations

import random
from typing import Any

import pytest

from release.terraform.show import Change, Counts, changes, counts, digest, drifted, outputs
from release.terraform.summary import listed


def _change(address: str, *actions: str, mode: str = "managed", **further: Any) -> dict[str, Any]:
    inside = {name: further.pop(name) for name in ("importing",) if name in further}
    return {
        "address": address,
        "mode": mode,
        "change": {"actions": list(actions), "before": "hush", **inside},
        **further,
    }


SHOWN: dict[str, Any] = {
    "resource_changes": [
        _change("a.create", "create"),
        _change("a.update", "update"),
        _change("a.destroy", "delete"),
        _change("a.replace", "delete", "create"),
        _change("a.instead", "create", "delete"),
        _change("a.forget", "forget"),
        _change("a.same", "no-op"),
        _change("a.import", "no-op", importing={"id": "hush"}),
        _change("a.new", "no-op", previous_address="a.old"),
        _change("a.both", "update", previous_address="a.before"),
        _change("a.left", "delete", deposed="0123abcd"),
        _change("data.a.read", "read", mode="data"),
    ],
    "resource_drift": [_change("a.drift", "update"), _change("data.a.drift", "update", mode="data")],
    "output_changes": {"b": {"actions": ["update"]}, "a": {"actions": ["create"]}, "c": {"actions": ["no-op"]}},
}


def test_each_action_has_its_word_and_reading_is_none() -> None:
    assert changes(SHOWN) == (
        Change("a.create", "create"),
        Change("a.update", "update"),
        Change("a.destroy", "destroy"),
        Change("a.replace", "replace"),
        Change("a.instead", "replace"),
        Change("a.forget", "forget"),
        Change("a.import", "import"),
        Change("a.new", "move", "a.old"),
        Change("a.both", "update", "a.before"),
        Change("a.left (deposed 0123abcd)", "destroy"),
    )
    assert drifted(SHOWN) == (Change("a.drift", "update"),)
    assert outputs(SHOWN) == ("a", "b")


def test_what_changes_is_counted_as_terraform_counts() -> None:
    found = counts(SHOWN)
    assert found == Counts(add=3, change=2, destroy=4, imported=1, move=2, forget=1, outputs=2)
    assert str(found) == (
        "3 to add, 2 to change, 4 to destroy, 1 to import, 2 to move, 1 to forget, 2 outputs to change"
    )
    assert not counts({})


def test_the_digest_is_of_what_is_said_and_not_of_how() -> None:
    reads = [{"resource": f"a.{number}", "attribute": ["id"]} for number in range(9)]
    first = digest({**SHOWN, "relevant_attributes": reads})
    shuffled = random.Random(1).sample(reads, len(reads))
    assert digest({"relevant_attributes": shuffled, **dict(reversed(SHOWN.items()))}) == first
    assert digest({**SHOWN, "relevant_attributes": reads[1:]}) != first
    turned = {**SHOWN, "resource_changes": SHOWN["resource_changes"][::-1], "relevant_attributes": reads}
    assert digest(turned) != first


@pytest.mark.parametrize("address", ['a["```"]', 'a["``````"]', 'a["</code>@team"]'])
def test_an_address_stays_inside_its_block(address: str) -> None:
    block = listed([Change(address, "create")])
    fence = block[0].removesuffix("diff")
    assert set(fence) == {"`"}
    assert block == [f"{fence}diff", f"+ create {address}", fence, ""]
    assert fence not in address


def test_control_characters_of_an_address_are_not_shown() -> None:
    assert listed([Change('a["\u202e\x1b[2J\n"]', "destroy")])[1] == '- destroy a["\ufffd\ufffd[2J\ufffd"]'


def test_a_long_list_is_cut_and_counted() -> None:
    lines = listed([Change(f"a.{'x' * 90}{number}", "create") for number in range(2000)])
    assert len("\n".join(lines)) < 60_000
    kept = sum(1 for line in lines if line.startswith("+"))
    assert lines[-3] == f"# and {2000 - kept} more"

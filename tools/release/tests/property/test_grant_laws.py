"""Permissions are derived: they cover all that steps declare, and nothing beyond it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from release.ci.workflow import LEVELS, SCOPES, Identity, Job, Need, Purpose, Secret, Step, derived
from release.publish.destination import Grant

_REASONS = st.sampled_from(["push the tags", "read the plan", "sign"])
_NEEDS: st.SearchStrategy[Need] = st.one_of(
    st.builds(Grant, st.sampled_from(sorted(SCOPES)), st.sampled_from(LEVELS[1:]), _REASONS),
    st.builds(Identity, st.sampled_from(["aws", "gcp", "azure"]), st.sampled_from(Purpose), _REASONS),
    st.builds(Secret, st.sampled_from(["TOKEN", "KEY"]), _REASONS),
)


def _declared(needs: list[Need]) -> set[tuple[str, str, str]]:
    """Return (scope, level, reason) of all that GITHUB_TOKEN is needed for."""
    found = set()
    for need in needs:
        if isinstance(need, Grant):
            found.add((need.scope, need.level, need.reason))
        elif isinstance(need, Identity):
            found.add(("id-token", "write", need.reason))
    return found


@given(st.lists(_NEEDS, max_size=12))
def test_each_scope_has_the_highest_level_that_is_declared_and_no_other_scope_is_there(needs: list[Need]) -> None:
    declared = _declared(needs)
    wanted: dict[str, str] = {}
    for scope, level, _ in declared:
        wanted[scope] = max(wanted.get(scope, "none"), level, key=LEVELS.index)
    grants = derived(needs)
    assert {grant.scope: grant.level for grant in grants} == wanted
    assert [grant.scope for grant in grants] == sorted(wanted)
    for grant in grants:
        reasons = {reason for scope, level, reason in declared if (scope, level) == (grant.scope, grant.level)}
        assert set(grant.reason.split("; ")) == reasons


@given(st.lists(_NEEDS, max_size=8), st.lists(_NEEDS, max_size=8))
def test_a_job_may_what_its_steps_need_however_they_share_it(first: list[Need], second: list[Need]) -> None:
    def job(*steps: list[Need]) -> Job:
        made = tuple(Step(f"step {number}", run="true", needs=tuple(needs)) for number, needs in enumerate(steps))
        return Job(id="job", name="job", why="It is a test.", runner="ubuntu-24.04", environment="test", steps=made)

    may = {grant.scope: LEVELS.index(grant.level) for grant in job(first, second).grants}
    for part in (first, second):
        for grant in job(part).grants:
            assert may[grant.scope] >= LEVELS.index(grant.level)
    together = {(grant.scope, grant.level) for grant in job([*first, *second]).grants}
    assert together == {(grant.scope, grant.level) for grant in job(first, second).grants}

"""Every workflow that can be built is written so that YAML reads back exactly what was meant."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from everything import everything, surveyed
from release.ci.compose import compose
from release.ci.expression import Expression, Template, always, context, equal, failure
from release.ci.pins import Pin
from release.ci.render import model, text
from release.ci.workflow import (
    Concurrency,
    Identity,
    Job,
    Purpose,
    Secret,
    Step,
    Trigger,
    Value,
    Workflow,
    run_condition,
)
from release.publish.destination import Grant

_TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30).filter(lambda one: "${{" not in one)
_ODD = st.sampled_from(["yes", "1e3", "~", "a: b", "# no", "a\nb\n", " lead", "trail ", "'", '"\\', "- x", "null", "é"])
_WORDS = st.one_of(_TEXT, _ODD)
_IDS = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
_CONTEXTS = st.sampled_from(["github.ref", "matrix.name", "steps.plan.outputs.jobs"]).map(context)
_CONDITIONS: st.SearchStrategy[Expression | None] = st.one_of(
    st.none(), st.builds(always), st.builds(failure), st.builds(equal, _CONTEXTS, _WORDS)
)
_TEMPLATES = st.lists(st.one_of(_WORDS, _CONTEXTS), min_size=1, max_size=3).map(lambda parts: Template.of(*parts))
_VALUES: st.SearchStrategy[Value] = st.one_of(_WORDS, st.integers(), st.booleans(), _CONTEXTS, _TEMPLATES)
_NEEDS = st.lists(
    st.one_of(
        st.builds(Grant, st.sampled_from(["contents", "packages"]), st.sampled_from(["read", "write"]), _WORDS),
        st.builds(Identity, st.just("aws"), st.sampled_from(Purpose), _WORDS),
        st.builds(Secret, st.sampled_from(["TOKEN", "KEY"]), _WORDS),
    ),
    max_size=3,
).map(tuple)
_NAMED = st.dictionaries(st.from_regex(r"[A-Z_]{1,6}", fullmatch=True), _VALUES, max_size=3)
_STEPS = st.one_of(
    st.builds(Step, _WORDS, run=_WORDS, env=_NAMED, condition=_CONDITIONS, needs=_NEEDS),
    st.builds(
        Step,
        _WORDS,
        uses=st.builds(Pin, st.just("actions/cache"), st.just("0" * 40), st.sampled_from(["v1.0.0", "2.3"])),
        inputs=_NAMED,
        env=_NAMED,
        id=_IDS,
        needs=_NEEDS,
    ),
)
_CELLS = st.lists(st.dictionaries(_IDS, _WORDS, min_size=1, max_size=2), max_size=3).map(tuple)


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """Return a workflow of up to three jobs."""
    jobs: list[Job] = []
    for id_ in draw(st.lists(_IDS, min_size=1, max_size=3, unique=True)):
        before = [job.id for job in jobs]
        jobs.append(
            Job(
                id=id_,
                name=draw(st.one_of(_WORDS, _TEMPLATES)),
                why=draw(_WORDS),
                runner="ubuntu-24.04",
                minutes=draw(st.integers(1, 360)),
                environment=draw(st.one_of(_IDS, _CONTEXTS)),
                after=tuple(draw(st.lists(st.sampled_from(before), unique=True))) if before else (),
                condition=draw(_CONDITIONS),
                steps=tuple(draw(st.lists(_STEPS, min_size=1, max_size=3))),
                matrix=draw(_CELLS),
                axes=draw(st.sampled_from([(), ("name",)])),
                most_parallel=draw(st.integers(0, 3)),
                outputs=draw(st.dictionaries(_IDS, _CONTEXTS, max_size=2)),
                concurrency=draw(st.none() | st.builds(Concurrency, _TEMPLATES, st.booleans(), st.booleans())),
            )
        )
    triggers = draw(
        st.lists(
            st.one_of(
                st.builds(Trigger, st.sampled_from(["push", "pull_request"]), st.just({"branches": ("main", "M_*")})),
                st.builds(Trigger, st.just("schedule"), crons=st.just(("7 3 * * *",))),
                st.builds(Trigger, st.just("workflow_dispatch"), inputs=st.dictionaries(_IDS, _WORDS, max_size=2)),
            ),
            min_size=1,
            unique_by=lambda trigger: trigger.event,
        )
    )
    return Workflow(draw(_IDS), draw(_WORDS), draw(_WORDS), tuple(triggers), Concurrency(draw(_WORDS)), tuple(jobs))


@settings(max_examples=80, deadline=None)
@given(workflows(), st.sampled_from(["github", "act"]))
def test_what_is_written_is_read_back_as_the_model(workflow: Workflow, dialect: str) -> None:
    written = text(workflow, dialect)
    read = yaml.safe_load(written)
    assert read == model(workflow, dialect)
    assert written == text(workflow, dialect)
    assert set(read["jobs"]) == {job.id for job in workflow.jobs}
    for job in workflow.jobs:
        found = read["jobs"][job.id]
        condition = run_condition(job)
        assert found.get("if") == (None if condition is None else str(condition))
        assert found["permissions"] == {grant.scope: grant.level for grant in job.grants}
        for step, made in zip(found["steps"], job.steps, strict=True):
            assert step["name"] == made.name
            assert step.get("run", "") == made.run
            wanted = {name: value if isinstance(value, int) else str(value) for name, value in made.env.items()}
            secrets = {secret.name: f"${{{{ secrets.{secret.name} }}}}" for secret in made.secrets}
            assert step.get("env", {}) == wanted | secrets


@settings(max_examples=40, deadline=None)
@given(workflows())
def test_the_dialect_of_act_lacks_the_queue_and_nothing_else(workflow: Workflow) -> None:
    github, act = model(workflow), model(workflow, "act")
    for one in (github, *github["jobs"].values()):
        if "concurrency" in one:
            one["concurrency"].pop("queue", None)
    assert github == act


def test_the_whole_catalogue_is_read_back_as_the_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    workflows_ = compose(surveyed(everything(tmp_path_factory.mktemp("campus") / "campus")))
    assert len(workflows_) == 9
    for workflow in workflows_:
        assert yaml.safe_load(text(workflow)) == model(workflow)

"""`release ci oidc`: what jobs ask for, and what Terraform says about it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.ci.oidc import (
    AWS_AUDIENCE,
    FILE,
    HOST,
    ISSUER,
    claims,
    condition,
    gcp_condition,
    members,
    plain,
    terraform,
)
from release.errors import ConfigError
from release.flow.oidc import check
from release.formats.hcl import Block, Text, parse, texts
from release.workspace.config import Config, load
from scratch import Scratch

PLAN, APPLY = "arn:aws:iam::1:role/site-plan", "arn:aws:iam::1:role/site-apply"
PROVIDER = "projects/7/locations/global/workloadIdentityPools/pool/providers/github"
GUID = "00000000-0000-4000-8000-00000000000"
NUMBERS = "  repository-id: 22\n  owner-id: 11\n"
CONFIG = f"""\
github:
  repository: acme/site
{NUMBERS}environments:
  dev:
    aws: {{region: eu-west-1, plan: "{PLAN}", apply: "{APPLY}"}}
  prod:
    gcp: {{provider: {PROVIDER}, plan: plan@p.iam, apply: apply@p.iam}}
    azure: {{tenant: "{GUID}0", subscription: "{GUID}1", plan: "{GUID}2", apply: "{GUID}3"}}
terraform:
  version: 1.11.4
  store: s3://plans/site
  roots:
    - {{path: terraform/site, environments: [dev, prod]}}
rollout:
  chart: site
  release: site
  helm: 4.0.0
  stages:
    - {{name: canary, environment: dev}}
"""
FIRST = "repo:acme/site:environment:dev"
MAIN, PULL, DEV = "ref:refs/heads/main", "pull_request", "environment:dev"


def forms(*contexts: str) -> set[str]:
    return {f"repo:{name}:{context}" for name in ("acme/site", "acme@11/site@22") for context in contexts}


def config(text: str = CONFIG) -> Config:
    return load(text.encode())


def found_in(folder: Path, source: str, text: str = CONFIG) -> list[tuple[str, int]]:
    """Return rule and line of what is found in a Terraform file with ``source``; the derived file is in order."""
    trusts = claims(config(text))
    (folder / FILE).write_text(terraform(trusts))
    (folder / "main.tf").write_text(source)
    return [(one.rule, one.place.line) for one in check(folder, trusts)]


def test_each_identity_trusts_both_forms_of_what_its_jobs_have_and_nothing_else() -> None:
    trusts = {(one.cloud, one.identity): one for one in claims(config())}
    assert list(trusts) == [
        ("aws", APPLY),
        ("aws", PLAN),
        ("gcp", "apply@p.iam"),
        ("gcp", "plan@p.iam"),
        ("azure", f"{GUID}2"),
        ("azure", f"{GUID}3"),
    ]
    assert set(trusts["aws", PLAN].subjects) == forms(PULL, MAIN)
    assert set(trusts["aws", APPLY].subjects) == forms(DEV)
    assert {ask.purpose for ask in trusts["aws", APPLY].asks} == {"apply", "rollout"}
    assert set(trusts["azure", f"{GUID}3"].subjects) == forms("environment:prod")


def test_the_condition_of_a_role_is_an_exact_match_with_the_audience_and_the_number() -> None:
    role = next(one for one in claims(config()) if one.identity == PLAN)
    assert condition(role) == {
        "StringEquals": {
            f"{HOST}:aud": [AWS_AUDIENCE],
            f"{HOST}:sub": [*role.named, *role.immutable],
            f"{HOST}:repository_id": ["22"],
        }
    }


def test_a_provider_lets_in_what_all_its_service_accounts_need_and_members_are_subjects() -> None:
    trusts = claims(config())
    expression = gcp_condition(trusts, PROVIDER)
    assert expression.startswith("assertion.repository_id == '22' && assertion.sub in [")
    assert set(re.findall(r"'(repo:[^']+)'", expression)) == forms(PULL, MAIN, "environment:prod")
    account = next(one for one in trusts if one.identity == "apply@p.iam")
    pool = "principal://iam.googleapis.com/projects/7/locations/global/workloadIdentityPools/pool/subject/"
    assert set(members(account)) == {f"{pool}{one}" for one in forms("environment:prod")}


def test_an_application_has_one_credential_for_each_subject_with_a_name_of_its_own() -> None:
    made = plain(claims(config()))["azure"][f"{GUID}2"]["credentials"]
    assert {one["subject"] for one in made} == forms(PULL, MAIN)
    assert len({one["name"] for one in made}) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}", one["name"]) for one in made)
    assert {one["issuer"] for one in made} == {ISSUER}


def test_without_numbers_only_names_are_trusted_and_it_is_said(tmp_path: Path) -> None:
    trusts = claims(config(CONFIG.replace(NUMBERS, "")))
    assert not any(one.immutable for one in trusts)
    assert gcp_condition(trusts, PROVIDER).startswith("assertion.repository == 'acme/site' && ")
    scratch = Scratch(tmp_path / "site")
    scratch.write({"release.yaml": CONFIG.replace(NUMBERS, "")})
    assert "release.yaml:1:1: warning no-numbers" in scratch.run("ci", "oidc").ok().err


def test_nothing_is_derived_where_no_job_asks() -> None:
    assert claims(Config()) == ()


@pytest.mark.parametrize(
    ("old", "new", "what", "line"),
    [
        ("environments: [dev, prod]", "environments: [dev, live]", "no environment 'live'", 15),
        ("environment: dev}", "environment: live}", "no environment 'live'", 21),
        (f"github:\n  repository: acme/site\n{NUMBERS}", "", "github.repository is not set", 1),
        (f'plan: "{PLAN}"', f'plan: "{APPLY}"', "before it is reviewed", 7),
        ("apply: apply@p.iam", "apply: plan@p.iam", "before it is reviewed", 9),
    ],
)
def test_a_configuration_that_can_not_be_is_refused_at_its_place(old: str, new: str, what: str, line: int) -> None:
    text = CONFIG.replace(old, new)
    assert text != CONFIG
    with pytest.raises(ConfigError, match=what) as caught:
        claims(config(text), text.encode())
    assert caught.value.where[0].line == line


def test_a_subject_that_google_could_not_take_is_refused() -> None:
    text = CONFIG.replace("acme/site", f"acme/{'s' * 110}")
    with pytest.raises(ConfigError, match="127 characters at most"):
        claims(config(text), text.encode())


_words = st.sampled_from(["acme", "acme-evil", "site", "site2", "dev", "prod", "main", "x"])
_context = st.one_of(
    st.just(PULL),
    st.builds("environment:{}".format, _words),
    st.builds("ref:refs/heads/{}".format, _words),
    st.builds("ref:refs/tags/{}".format, _words),
    st.builds("job_workflow_ref:{}".format, _words),
)
_repository = st.one_of(
    st.builds("{}/{}".format, _words, _words),
    st.builds("{}@{}/{}@{}".format, _words, st.integers(10, 12), _words, st.integers(21, 23)),
)
_subject = st.builds("repo:{}:{}".format, _repository, _context)


@given(_subject, st.sampled_from(["22", "23", ""]))
def test_no_identity_is_given_to_a_job_that_does_not_ask_for_it(subject: str, number: str) -> None:
    for trust in claims(config()):
        contexts = {ask.context for ask in trust.asks}
        token = {"iss": ISSUER, "aud": trust.audience, "sub": subject, "repository_id": number}
        ours = subject in forms(*contexts) and (number == "22" or trust.cloud == "azure")
        assert trust.allows(token) == ours
        assert not trust.allows({**token, "aud": "https://github.com/acme"})
        assert not trust.allows({**token, "iss": "https://gitlab.com"})


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed")
def test_terraform_reads_the_written_file_as_what_was_derived(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "site")
    text = CONFIG.replace("plan@p.iam", '"plan-${x}-%{y}-$${z}@p.iam"')
    scratch.write({"release.yaml": text, "terraform/main.tf": 'output "all" {\n  value = local.github_oidc\n}\n'})
    scratch.run("ci", "oidc", "--write", "terraform").ok()
    env = {**scratch.environment, "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(
        ["terraform", "console"],
        input="jsonencode(local.github_oidc)\n",
        cwd=scratch.path / "terraform",
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    derived = plain(claims(config(text)))
    assert json.loads(json.loads(done.stdout)) == derived
    assert scratch.run("ci", "oidc", "--json").ok().json == {**derived, "findings": []}


def document(test: str, values: str, *, claim: str = "sub", more: str = "", role: str = "site-plan") -> str:
    aud = f'condition {{\n test = "StringEquals"\n variable = "{HOST}:aud"\n values = ["{AWS_AUDIENCE}"]\n }}\n'
    return (
        'data "aws_iam_policy_document" "trust" {\n statement {\n condition {\n'
        f' test = "{test}"\n variable = "{HOST}:{claim}"\n values = {values}\n }}\n'
        f"{more or aud}\n }}\n}}\n"
        f'resource "aws_iam_role" "r" {{\n name = "{role}"\n'
        " assume_role_policy = data.aws_iam_policy_document.trust.json\n}\n"
    )


def listed(subjects: set[str]) -> str:
    return json.dumps(sorted(subjects))


def test_a_role_with_exactly_the_derived_subjects_is_right(tmp_path: Path) -> None:
    assert found_in(tmp_path, document("StringEquals", listed(forms(PULL, MAIN)))) == []


def test_the_example_of_the_documents_is_right(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[4] / "docs/release/oidc.md"
    if not page.is_file():
        pytest.skip("the documents are not here")
    (example,) = re.findall(r"^```hcl\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found_in(tmp_path, example) == []
    assert found_in(tmp_path, example.replace("each.value.condition", "{}")) == [("no-audience", 6), ("too-wide", 6)]


def test_a_role_that_uses_the_derived_condition_is_right(tmp_path: Path) -> None:
    policy = f'{{ Action = "sts:AssumeRoleWithWebIdentity", Condition = local.github_oidc.aws["{PLAN}"].condition }}'
    source = f'resource "aws_iam_role" "r" {{\n assume_role_policy = jsonencode({{ Statement = [{policy}] }})\n}}\n'
    assert found_in(tmp_path, source) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (document("StringLike", '["repo:acme/*"]'), [("too-wide", 6)]),
        (document("StringLike", '["repo:acme/site:*"]'), [("too-wide", 6)]),
        (document("StringLike", '["repo:${var.owner}/site:*"]'), [("too-wide", 6)]),
        (document("StringEquals", '["repo:acme/site:*"]'), [("not-asked-for", 6)]),
        (document("StringEquals", listed(forms(PULL, MAIN, DEV))), [("not-asked-for", 6)] * 2),
        (document("StringEquals", listed(forms(PULL))), [("missing", 2)] * 2),
        (document("StringEquals", '["repo:acme/site:pull_request"]'), [("missing", 2)] * 3),
        (document("StringNotLike", listed(forms(PULL, MAIN))), [("wrong-operator", 3)]),
        (
            document("ForAllValues:StringEquals", listed(forms(PULL, MAIN))),
            [("too-wide", 3)],
        ),
        (document("StringEqualsIfExists", listed(forms(PULL, MAIN))), [("too-wide", 3)]),
        (document("StringEquals", listed(forms(PULL, MAIN)), more="# no aud"), [("no-audience", 2)]),
        (document("StringEquals", listed(forms(PULL, MAIN)), role="other"), [("not-asked-for", 2)]),
        (document("StringEquals", '["sts.amazonaws.com"]', claim="aud"), [("too-wide", 2)]),
        (document("StringEquals", "local.github_oidc.subjects"), []),
        (document("StringEquals", '["repo:${var.repository}:pull_request"]'), []),
    ],
)
def test_what_a_policy_document_trusts_is_compared_with_what_jobs_ask_for(
    tmp_path: Path, source: str, expected: list[tuple[str, int]]
) -> None:
    assert found_in(tmp_path, source) == expected


def test_a_role_whose_name_is_not_written_out_may_have_any_identitys_subjects_in_both_forms(tmp_path: Path) -> None:
    source = document("StringEquals", listed(forms(DEV)), role="${var.name}")
    assert found_in(tmp_path, source) == []
    source = document("StringEquals", '["repo:acme/site:environment:dev"]', role="${var.name}")
    assert found_in(tmp_path, source) == [("missing", 2)]


REPOSITORY_23 = f"""StringEquals = {{
  "{HOST}:aud" = "{AWS_AUDIENCE}", "{HOST}:sub" = "{FIRST}"
  "{HOST}:repository_id" = "23"
}}"""


def inline(conditions: str) -> str:
    return (
        'resource "aws_iam_role" "r" {\n  name = "site-apply"\n  assume_role_policy = jsonencode({\n'
        '    Statement = [{\n      Action = "sts:AssumeRoleWithWebIdentity"\n'
        f"      Condition = {{\n{conditions}\n      }}\n    }}]\n  }})\n}}\n"
    )


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (f'StringEquals = {{ "{HOST}:aud" = "{AWS_AUDIENCE}", "{HOST}:sub" = {listed(forms(DEV))} }}', []),
        (f'StringEquals = {{ "{HOST}:sub" = {listed(forms(DEV))} }}', [("no-audience", 4)]),
        (
            f'StringEquals = {{ "{HOST}:aud" = "x", "{HOST}:sub" = {listed(forms(DEV))} }}',
            [("wrong-audience", 7)],
        ),
        (
            f'StringEquals = {{ "{HOST}:aud" = "{AWS_AUDIENCE}" }}\nStringLike = {{ "{HOST}:sub" = "repo:acme/*" }}',
            [("too-wide", 8)],
        ),
        (
            REPOSITORY_23,
            [("missing", 4), ("wrong-repository", 9)],
        ),
    ],
)
def test_a_policy_in_jsonencode_is_compared_too(
    tmp_path: Path, conditions: str, expected: list[tuple[str, int]]
) -> None:
    assert found_in(tmp_path, inline(conditions)) == expected


def test_a_policy_in_a_heredoc_is_compared_too(tmp_path: Path) -> None:
    policy: dict[str, Any] = {"Condition": {"StringLike": {f"{HOST}:sub": "repo:acme/site:*"}}}
    text = json.dumps({"Statement": [policy]}, indent=2)
    source = f'resource "aws_iam_role" "r" {{\n  assume_role_policy = <<-EOT\n{text}\n  EOT\n}}\n'
    assert found_in(tmp_path, source) == [("no-audience", 3), ("too-wide", 8)]


def test_a_policy_about_another_issuer_is_none_of_ours(tmp_path: Path) -> None:
    source = document("StringLike", '["system:serviceaccount:*"]').replace(HOST, "oidc.eks.example")
    assert found_in(tmp_path, source.replace('"site-plan"', '"irsa"')) == []


def test_a_statement_for_githubs_provider_without_conditions_lets_everyone_in(tmp_path: Path) -> None:
    source = (
        'data "aws_iam_policy_document" "trust" {\n  statement {\n    principals {\n      type = "Federated"\n'
        "      identifiers = [aws_iam_openid_connect_provider.github.arn]\n    }\n  }\n}\n"
    )
    assert found_in(tmp_path, source) == [("no-audience", 2), ("too-wide", 2)]


def google(condition_line: str) -> str:
    return (
        f'resource "google_iam_workload_identity_pool_provider" "g" {{\n{condition_line}\n'
        f'  oidc {{\n    issuer_uri = "{ISSUER}"\n  }}\n}}\n'
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [("too-wide", 1)]),
        ("attribute_condition = \"assertion.repository_owner == 'acme'\"", [("too-wide", 2)]),
        ("attribute_condition = local.github_oidc.gcp.providers.x.attribute_condition", []),
        (f'attribute_condition = "{gcp_condition(claims(config()), PROVIDER)}"', []),
        (
            'attribute_condition = local.x\nattribute_mapping = { "google.subject" = "assertion.actor" }',
            [("wrong-mapping", 3)],
        ),
    ],
)
def test_the_condition_of_googles_provider_is_the_derived_one(
    tmp_path: Path, line: str, expected: list[tuple[str, int]]
) -> None:
    assert found_in(tmp_path, google(line)) == expected


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ("principal://iam.googleapis.com/POOL/subject/repo:acme/site:pull_request", []),
        ("principal://iam.googleapis.com/POOL/subject/repo:acme/site:environment:dev", ["not-asked-for"]),
        ("principalSet://iam.googleapis.com/POOL/attribute.repository/acme/site", ["too-wide"]),
        ("principalSet://iam.googleapis.com/POOL/*", ["too-wide"]),
        ("principalSet://iam.googleapis.com/projects/8/locations/global/workloadIdentityPools/aws/*", []),
    ],
)
def test_who_may_act_as_a_service_account_is_named_by_subject(tmp_path: Path, member: str, expected: list[str]) -> None:
    pool = PROVIDER.partition("/providers/")[0]
    source = (
        'resource "google_service_account_iam_member" "m" {\n  role = "roles/iam.workloadIdentityUser"\n'
        f'  member = "{member.replace("POOL", pool)}"\n}}\n'
    )
    assert found_in(tmp_path, source) == [(rule, 3) for rule in expected]


FLEXIBLE = f"""\
resource "azuread_application_flexible_federated_identity_credential" "f" {{
  issuer                     = "{ISSUER}"
  claims_matching_expression = "claims['sub'] matches 'repo:acme/*'"
}}
"""


def azure(subject: str, *, audience: str = "api://AzureADTokenExchange", name: str = "a") -> str:
    return (
        f'resource "azuread_application_federated_identity_credential" "{name}" {{\n'
        f'  audiences = ["{audience}"]\n  issuer = "{ISSUER}"\n  subject = "{subject}"\n}}\n'
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("".join(azure(one, name=f"n{at}") for at, one in enumerate(sorted(forms(PULL)))), []),
        (azure("repo:acme/site:pull_request"), [("missing", 4)]),
        (azure("repo:acme/site:environment:dev"), [("not-asked-for", 4)]),
        (azure("repo:acme/site:*"), [("not-asked-for", 4)]),
        (azure("${each.value.subject}", audience="api://Other"), [("wrong-audience", 2)]),
        (
            FLEXIBLE,
            [("too-wide", 1)],
        ),
    ],
)
def test_the_credentials_of_an_application_are_the_derived_ones(
    tmp_path: Path, source: str, expected: list[tuple[str, int]]
) -> None:
    assert found_in(tmp_path, source) == expected


def test_a_subject_in_a_modules_arguments_is_judged(tmp_path: Path) -> None:
    source = 'module "role" {\n  source   = "x"\n  subjects = ["repo:acme/*", "repo:acme/site:pull_request"]\n}\n'
    assert found_in(tmp_path, source) == [("too-wide", 3)]


def test_modules_are_told_apart_and_what_terraform_downloaded_is_left_out(tmp_path: Path) -> None:
    for folder in ("one", ".terraform/modules/x"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "m.tf").write_text('locals {\n  s = "repo:other/*"\n}\n')
    assert found_in(tmp_path, "") == [("too-wide", 2)]


def test_the_command_shows_what_moved_in_the_written_file_and_ends_with_1(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "site")
    scratch.write({"release.yaml": CONFIG, "terraform/main.tf": ""})
    result = scratch.run("ci", "oidc", "--check", "terraform")
    assert result.code == 1
    assert f"there is no {FILE}" in result.out
    scratch.run("ci", "oidc", "--write", "terraform").ok()
    assert "identities: 6; 0 errors" in scratch.run("ci", "oidc", "--check", "terraform").ok().out
    scratch.write({"release.yaml": CONFIG.replace("acme/site", "acme/moved")})
    result = scratch.run("ci", "oidc", "--check", "terraform")
    assert result.code == 1
    assert "error drift" in result.out
    assert re.search(r'^\+.*"repo:acme/moved:pull_request"', result.out, re.MULTILINE)


def test_source_that_is_no_terraform_is_refused_at_its_place(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "site")
    scratch.write({"release.yaml": CONFIG, "terraform/main.tf": 'locals {\n  s = "repo:a/b:c"\n  = 3\n}\n'})
    result = scratch.run("ci", "oidc", "--check", "terraform")
    assert result.code == 5
    assert "main.tf:3:" in result.err


def test_the_values_of_terraform_source_are_read_as_far_as_they_are_written_out() -> None:
    file = parse(b'a "b" "c" {\n  x = concat(["p"], var.q ? ["r${s}"] : [])\n  y = "q\\"\\u0041$${z}"\n}\n', "x.tf")
    (block,) = file.blocks
    assert isinstance(block, Block)
    assert (block.type, block.labels, block.place.line) == ("a", ("b", "c"), 1)
    assert [(one.text, one.whole) for one in texts(block.attributes["x"])] == [("p", True), ("r${s}", False)]
    assert block.attributes["y"] == Text('q"A${z}', True, block.attributes["y"].place)

"""Each role does its work to the end and says what it did."""

from __future__ import annotations

from collections.abc import Callable

from containers import Running, Site, Workshop, eventually


def test_install_fills_an_empty_database_once(site: Site, sql: Callable[[str], str]) -> None:
    secret = "S3cret-of-the-admin"
    given = {"MOODLE_ADMIN_PASSWORD": secret, "MOODLE_ADMIN_EMAIL": "a@example.org", "MOODLE_SITE_NAME": "A School"}
    code, output = site.run("install", environment=given)
    assert code == 0, output
    assert "--adminuser=admin --adminpass=… --adminemail=a@example.org --fullname=A School --shortname=moodle" in output
    assert output.index("caches purged") < output.index("css built: --themes=fancy")
    assert secret not in output
    assert sql(f"SELECT count(*) FROM {site.tables}config WHERE name = 'version'").strip() == "1"
    code, output = site.run("install", environment={"MOODLE_ADMIN_PASSWORD": secret})
    assert (code, output) == (0, "moodle: Moodle is installed already: nothing to do\n")


def test_two_installations_at_once_are_one(site: Site) -> None:
    both = [site.start("install", environment={"MOODLE_ADMIN_PASSWORD": "x"}) for _ in range(2)]
    assert [running.wait() for running in both] == [0, 0]
    assert sorted("installed already" in running.logs() for running in both) == [False, True]


def test_the_last_steps_of_an_installation_are_made_up_for(site: Site) -> None:
    secret = {"MOODLE_ADMIN_PASSWORD": "x"}
    assert site.run("install", environment={**secret, "PURGE_FAILS": "1"})[0] != 0
    assert "an installation is running, or was cut off" in site.run("cli", "moodle-probe", "readyz")[1]
    code, output = site.run("install", environment=secret)
    assert code == 0, output
    assert "installed with" not in output
    assert "css built" in output
    assert "nothing to do" in site.run("install", environment=secret)[1]
    assert site.web().get("/").status == 200


def test_an_installation_that_was_cut_off_is_said_and_not_taken_for_whole(installed: Site) -> None:
    assert installed.run("cli", "touch", "/var/moodledata/.installing")[0] == 0
    code, output = installed.run("install", environment={"MOODLE_ADMIN_PASSWORD": "x"})
    assert code == 1
    assert "cut off" in output
    assert "empty that and run this again" in output


def test_an_installation_that_fails_can_be_run_again(site: Site) -> None:
    secret = {"MOODLE_ADMIN_PASSWORD": "x"}
    code, output = site.run("install", environment={**secret, "INSTALL_FAILS": "1"})
    assert code == 1
    assert "the installation failed" in output
    assert site.run("install", environment=secret)[0] == 0


def test_install_waits_for_a_database_that_comes_later(site: Site, workshop: Workshop, pgsql: Running) -> None:
    network = workshop.client.networks.get(workshop.network)
    network.disconnect(pgsql.container)
    try:
        running = site.start("install", environment={"MOODLE_ADMIN_PASSWORD": "x"})
        eventually(lambda: "waiting for the database" in running.logs())
    finally:
        network.connect(pgsql.container, aliases=["pgsql"])
    assert running.wait() == 0


def test_cli_runs_a_command_in_moodles_folder_as_nobody_special(workshop: Workshop, moodle: str) -> None:
    running = workshop.start_hardened(moodle, "cli", "sh", "-c", "pwd; id -u; exit 7")
    assert running.wait() == 7
    assert running.logs() == "/var/www/moodle\n10001\n"


def test_any_user_id_will_do(installed: Site) -> None:
    assert installed.run("cli", "mkdir", "-p", "/var/moodledata/filedir/ab")[0] == 0
    assert installed.run("cli", "touch", "/var/moodledata/filedir/ab/content", user="123456:0")[0] == 0
    assert installed.web(user="123456:0").get("/").status == 200


def test_cron_runs_again_and_again(installed: Site) -> None:
    running = installed.start("cron", environment={"MOODLE_CRON_KEEP_ALIVE": "60"})
    eventually(lambda: running.logs().count("started: admin/cli/cron.php --keep-alive=60") > 1)


def test_adhoc_passes_its_options_on(installed: Site) -> None:
    running = installed.start("adhoc", "--classname=\\mod_x\\task\\y", "--taskslimit=3")
    options = "--execute --keep-alive=180 --classname=\\mod_x\\task\\y --taskslimit=3"
    eventually(lambda: f"started: admin/cli/adhoc_task.php {options}" in running.logs(), said=running.logs)


def test_tasks_wait_until_code_and_database_belong_together(site: Site) -> None:
    running = site.start("cron")
    eventually(lambda: "moodle: waiting: " in running.logs())
    assert "Moodle is not installed" in running.logs()
    site.install()
    eventually(lambda: "task finished" in running.logs())
    assert running.logs().count("waiting") < 4, "the same reason is said once"


def test_upgrade_says_that_there_is_none(installed: Site) -> None:
    code, output = installed.run("upgrade", environment={"UPGRADE_STATE": "none"})
    assert code == 0
    assert output.splitlines()[-1] == "moodle: no upgrade is pending: nothing to do"


def test_upgrade_of_the_database_runs_in_maintenance_mode(installed: Site) -> None:
    code, output = installed.run("upgrade", "--allow-unstable", environment={"UPGRADE_STATE": "database"})
    assert code == 0, output
    upgraded = "upgrade.php --non-interactive --allow-unstable"
    steps = ["maintenance --enable", upgraded, "caches purged", "css built", "maintenance --disable"]
    places = [output.index(step) for step in steps]
    assert places == sorted(places)


def test_upgrade_of_code_alone_leaves_the_site_open(installed: Site) -> None:
    code, output = installed.run("upgrade", environment={"UPGRADE_STATE": "code"})
    assert code == 0, output
    assert "upgrade.php --non-interactive --maintenance=false" in output
    assert "maintenance --enable" not in output
    assert "css built: --themes=fancy" in output


def test_an_upgrade_that_fails_leaves_the_site_in_maintenance_mode_and_says_so(installed: Site) -> None:
    code, output = installed.run("upgrade", environment={"UPGRADE_STATE": "database", "UPGRADE_FAILS": "1"})
    assert code == 1
    assert "the site stays in maintenance mode" in output
    assert installed.run("cli", "test", "-e", "/var/moodledata/climaintenance.html")[0] == 0


def test_an_upgrade_that_can_not_start_says_so(installed: Site) -> None:
    code, output = installed.run("upgrade", environment={"UPGRADE_STATE": "broken"})
    assert code == 1
    assert "can't start" in output
    assert "maintenance --enable" not in output


def test_the_last_steps_of_an_upgrade_are_made_up_for(installed: Site) -> None:
    page = ("cli", "test", "-e", "/var/moodledata/climaintenance.html")
    assert installed.run("upgrade", environment={"UPGRADE_STATE": "database", "PURGE_FAILS": "1"})[0] != 0
    assert installed.run(*page)[0] == 0
    code, output = installed.run("upgrade", environment={"UPGRADE_STATE": "none"})
    assert code == 0, output
    assert "css built" in output
    assert installed.run(*page)[0] == 1
    assert "nothing to do" in installed.run("upgrade", environment={"UPGRADE_STATE": "none"})[1]


def test_maintenance_mode_that_was_on_before_stays_on(installed: Site) -> None:
    assert installed.run("cli", "touch", "/var/moodledata/climaintenance.html")[0] == 0
    assert installed.run("upgrade", environment={"UPGRADE_STATE": "database"})[0] == 0
    assert installed.run("cli", "test", "-e", "/var/moodledata/climaintenance.html")[0] == 0


def locked(site: Site, sql: Callable[[str], str]) -> bool:
    """Say whether Moodle's lock of upgrades without outage is set."""
    return sql(f"SELECT count(*) FROM {site.tables}config WHERE name = 'outagelessupgrade'").strip() != "0"


def test_an_upgrade_without_outage_that_fails_releases_its_lock(installed: Site, sql: Callable[[str], str]) -> None:
    code, output = installed.run("upgrade", environment={"UPGRADE_STATE": "code", "UPGRADE_FAILS": "1"})
    assert code == 1
    assert "containers of the former version go on serving" in output
    assert not locked(installed, sql)


def test_an_upgrade_without_outage_that_is_cut_off_is_finished_by_the_next(
    installed: Site, sql: Callable[[str], str]
) -> None:
    assert installed.run("upgrade", environment={"UPGRADE_STATE": "code", "UPGRADE_IS_CUT_OFF": "1"})[0] != 0
    assert locked(installed, sql)
    code, output = installed.run("upgrade", environment={"UPGRADE_STATE": "none"})
    assert (code, locked(installed, sql)) == (0, False)
    assert "css built" in output


def test_the_lock_is_kept_for_who_asks_for_it(installed: Site, sql: Callable[[str], str]) -> None:
    assert installed.run("upgrade", "--set-ui-upgrade-lock", environment={"UPGRADE_STATE": "code"})[0] == 0
    assert locked(installed, sql)


def test_a_database_that_is_newer_is_left_alone(installed: Site, sql: Callable[[str], str]) -> None:
    sql(f"UPDATE {installed.tables}config SET value = 'another' WHERE name = 'allversionshash'")
    sql(f"UPDATE {installed.tables}config_plugins SET value = '2099010100' WHERE plugin = 'mod_x'")
    code, output = installed.run("upgrade", environment={"UPGRADE_STATE": "database"})
    assert code == 1
    reason = "mod_x in the database is of version 2099010100, newer than this code (2025100600): run a newer image"
    assert output == f"moodle: nothing was changed: {reason}\n"
    assert reason in installed.run("cli", "moodle-probe", "readyz")[1]

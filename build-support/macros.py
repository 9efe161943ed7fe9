"""Macros for BUILD files, in the forms that Pants 2.17 and today's Pants both know."""


def command_test(**fields):
    """Declare a test that is a shell command: exit code 0 passes.

    A sandbox has no CARGO_TARGET_DIR: cargo would take what another checkout left there for its own.
    The target is ``experimental_test_shell_command`` in Pants 2.17 and ``test_shell_command`` in later ones.
    """
    try:
        target = test_shell_command
    except NameError:
        target = experimental_test_shell_command
    target(
        extra_env_vars=["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"],
        **fields,
    )

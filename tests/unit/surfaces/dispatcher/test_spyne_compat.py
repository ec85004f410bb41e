"""Spyne imports on every supported Python, and leaves nothing false behind."""

import logging
import pathlib
import subprocess
import sys

from gateway.surfaces.dispatcher import spyne_compat

ROOT = pathlib.Path(__file__).parents[4]


def in_a_new_process(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_imports_with_warnings_as_errors() -> None:
    program = "from gateway.surfaces.dispatcher import spyne_compat as s; print(s.Soap11.__name__)"
    assert in_a_new_process(program) == "Soap11"


def test_no_false_cgi_stays_behind() -> None:
    program = (
        "import sys; from gateway.surfaces.dispatcher import spyne_compat;"
        "print('cgi' in sys.modules)"
    )
    assert in_a_new_process(program) == "False"


def test_a_cgi_that_was_there_is_there_again() -> None:
    program = (
        "import sys, types; mine = sys.modules['cgi'] = types.ModuleType('cgi');"
        "from gateway.surfaces.dispatcher import spyne_compat; print(sys.modules['cgi'] is mine)"
    )
    assert in_a_new_process(program) == "True"


def test_modules_that_need_six_moves_later_import_too() -> None:
    program = (
        "from gateway.surfaces.dispatcher import spyne_compat;"
        "from spyne.util.six.moves.urllib.parse import quote; print(quote('a b'))"
    )
    assert in_a_new_process(program) == "a%20b"


def test_other_imports_that_fail_do_not_warn() -> None:
    program = (
        "from gateway.surfaces.dispatcher import spyne_compat; import codecs\n"
        "try: codecs.lookup('bogus')\n"
        "except LookupError: print('unknown')"
    )
    assert in_a_new_process(program) == "unknown"


def test_spyne_does_not_log_bodies() -> None:
    assert spyne_compat.Soap11.__module__ == "spyne.protocol.soap.soap11"
    assert not logging.getLogger("spyne.protocol.xml").isEnabledFor(logging.CRITICAL)

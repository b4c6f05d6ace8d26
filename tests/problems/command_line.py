"""Programs run in this process, as a shell would see them: starting a new one each time takes seconds."""

import contextlib
import io
import subprocess
import sys
import traceback

from quantray.cli import main


def called(program, arguments, cwd):
    """The outcome of a program on a command line, in a folder."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.chdir(cwd):
        argv, sys.argv = sys.argv, list(map(str, arguments))
        try:
            program()
        except SystemExit as stop:
            code = stop.code
        except Exception:
            traceback.print_exc()
            code = 1
        finally:
            sys.argv = argv
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def quantray(*arguments, cwd):
    """The outcome of a command of quantray, in a folder."""
    return called(main, ["quantray", *arguments], cwd)


def refused(done, code, *words):
    """The command ended with a code and one line that says these words."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("error: ")
    for word in words:
        assert word in lines[-1]

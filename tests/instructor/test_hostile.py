"""Submissions that are broken or mean no good: they cost their own points, and nobody else anything.

All of them are handed in at once, each beside a neighbour who did everything right, and graded in one batch.
"""

from __future__ import annotations

import csv
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from classroom import ROOT, SEED, code, hand_in, needs_sandbox, solved

from instructor import sandbox
from instructor.__main__ import main
from instructor.assignments import ASSIGNMENTS
from instructor.problem import source
from instructor.sandbox import check_sandbox

pytestmark = needs_sandbox

PR_SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>
ALL = 32
CONV = 8  # points for conv_macs
ANSWER = source(ASSIGNMENTS["costs"](SEED).problems[0].solution)


def answer(body: str) -> dict:
    """Everything right but conv_macs, whose body is this."""
    indented = "\n".join("    " + line for line in body.splitlines())
    return solved(conv_macs=f"def conv_macs(*case):\n{indented}")


def honest_after(attack: str) -> dict:
    """conv_macs answers rightly, but only if ``attack`` got through; it raises OSError where it is stopped."""
    indented = "\n".join("    " + line for line in attack.splitlines())
    return solved(
        conv_macs=f"{ANSWER}\nanswer = conv_macs\n\ndef conv_macs(*case):\n{indented}\n    return answer(*case)"
    )


def with_stride(body: str) -> dict:
    """conv_macs answers rightly, but does this where there is a stride."""
    return honest_after("if case[4] > 1:\n" + "\n".join("    " + line for line in body.splitlines()))


# In the place of {folder} stands the class's folder, of {port} a server on this machine.
COSTS_A_PART = {
    "loops": with_stride("while True: pass"),
    "loops and swallows interrupts": with_stride(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    ),
    "ignores signals": with_stride(
        "import signal\nfor number in range(1, 65):\n    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\nwhile True: pass"
    ),
    "prints without end": with_stride("while True: print('x' * 10**6)"),
    "sleeps": with_stride("import time; time.sleep(10**6)"),
    "endless recursion": with_stride("import sys; sys.setrecursionlimit(10**9)\nf = lambda: f()\nreturn f()"),
    "fills memory": with_stride("hoard = []\nwhile True: hoard.append(bytearray(10**8))"),
    "a number without end": with_stride("return 10 ** 10_000_000"),
    "an answer without end": with_stride("return 'x' * 10**8"),
    "looks for the references": with_stride(
        "import os\nassert [p for p, _, names in os.walk('/') if 'costs.py' in names or 'grades.csv' in names]"
    ),
    "reads the next request": with_stride("import os\nos.read(3, 10**6)"),
    "crashes Python": with_stride("import ctypes; ctypes.string_at(0)"),
}  # fmt: skip
COSTS_AN_ANSWER = {
    "raises": answer("raise RuntimeError('no')"),
    "raises what cannot be printed": answer(
        "class Bad(BaseException):\n    def __str__(self): raise self\n    __repr__ = __str__\nraise Bad"
    ),
    "sys.exit": answer("import sys; sys.exit()"),
    "os._exit": answer("import os; os._exit(0)"),
    "kills its process group": answer("import os, signal; os.killpg(0, signal.SIGKILL)"),
    "kills everything": answer("import os, signal; os.kill(-1, signal.SIGKILL); os.kill(os.getpid(), signal.SIGKILL)"),
    "forks": answer("import os\nwhile True: os.fork()"),
    "starts threads": answer("import threading\nwhile True: threading.Thread(target=input).start()"),
    "becomes a program": answer("import os; os.execv('/bin/sh', ['sh', '-c', 'echo 1; sleep 60'])"),
    "makes folders and links": honest_after(
        "import os\nmade = 0\nfor place in ('/', '/dev', '/dev/shm', '/dev/pts', '/usr', '/packages', '/book'):\n"
        "    for make in (os.mkdir, os.mkfifo, os.mknod, lambda path: os.symlink('x', path)):\n"
        "        try:\n            make(place + '/x')\n            made += 1\n        except OSError: pass\n"
        "assert made"
    ),
    "writes to the terminal": honest_after("open('/dev/tty', 'w').write('hello')"),
    "starts a program": honest_after("import subprocess\nsubprocess.run(['true'])"),
    "fills memory by copying": answer("import os\nwhile True: os.posix_spawn('/usr/bin/true', ['true'], {})"),
    "fills the disk": answer("open('/tmp/x', 'w')"),
    "fills any disk": honest_after(
        "import os\nplaces = ['/', '/dev', '/dev/shm', '/usr', '/python', '/packages/0', '/book', '/var/tmp']\n"
        "written = 0\nfor place in places:\n    try: written += open(place + '/x', 'wb').write(b'x')\n"
        "    except OSError: pass\nassert written"
    ),
    "fills memory that is a file": honest_after("import os\nos.write(os.memfd_create('x'), b'x' * 2**20)"),
    "deletes the class": honest_after("import shutil\nshutil.rmtree('{folder}')"),
    "deletes a grade": honest_after("import os\nos.remove('{folder}/grades.csv')"),
    "reads a neighbour": honest_after("assert open('{folder}/in/neighbour.ipynb').read()"),
    "reads the references": honest_after("import instructor.assignments"),
    "reads the password file": honest_after("assert open('/etc/passwd').read()"),
    "reads another process": honest_after("import os\nassert os.listdir('/proc')"),
    "reads the environment": honest_after("import os\nassert 'HOME' in os.environ"),
    "opens a socket to this machine": honest_after(
        "import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=1)"
    ),
    "opens a socket to the world": honest_after("import socket\nsocket.create_connection(('1.1.1.1', 53), timeout=1)"),
    "fills memory that no process maps": honest_after(
        "import ctypes\nif ctypes.CDLL(None).shmget(0, 10**6, 0o1600) < 0: raise OSError('refused')"
    ),
    "fills memory with semaphores": honest_after(
        "import ctypes\nif ctypes.CDLL(None).semget(0, 32000, 0o1600) < 0: raise OSError('refused')"
    ),
    "makes a world of its own": honest_after(
        "import ctypes\nif ctypes.CDLL(None).unshare(0x10000000) < 0: raise OSError('refused')"
    ),
    "becomes root": honest_after("import os\nos.setuid(0)"),
    "raises its limits": honest_after(
        "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (resource.RLIM_INFINITY,) * 2)"
    ),
    "equals everything": answer(
        "class Equal:\n    def __eq__(self, other): return True\n    __hash__ = None\nreturn Equal()"
    ),
    "a subclass of int": answer("class Int(int):\n    def __eq__(self, other): return True\nreturn Int(1)"),
    "a subclass of dict": answer("class Dict(dict):\n    def __eq__(self, other): return True\nreturn Dict()"),
    "not a number": answer("return float('nan')"),
    "a deep answer": answer("deep = []\nfor _ in range(10**5): deep = [deep]\nreturn deep"),
    "an answer that contains itself": answer("loop = []; loop.append(loop); return loop"),
}  # fmt: skip
REPLIES = (
    "import json, os, sys\nframe = sys._getframe()\n"
    "while 'replies' not in frame.f_locals: frame = frame.f_back\nsend = frame.f_locals['replies'].write\n"
)
# These may spoil more of their own answers than conv_macs.
COSTS_ITS_AUTHOR = {
    "forges a result on every descriptor": answer(
        "import os\nfor descriptor in range(64):\n    try: os.write(descriptor, b'{\"value\": 1}\\n' * 9)\n"
        "    except OSError: pass\nreturn 1"
    ),
    "closes every descriptor": answer("import os; os.closerange(0, 64); return 1"),
    "patches json": solved(extra="import json; json.dumps = lambda *a, **k: '{\"value\": true}'", conv_macs=None),
    "patches builtins": solved(
        extra="import builtins\nbuiltins.len = builtins.isinstance = builtins.type = lambda *a: True", conv_macs=None
    ),
    "patches math": solved(extra="import math; math.prod = math.isclose = lambda *a, **k: 1"),
    "patches the worker": solved(
        extra="import sys\nframe = sys._getframe()\nwhile frame:\n"
        "    frame.f_globals['call'] = lambda *a, **k: '{\"value\": true}'\n    frame = frame.f_back",
        conv_macs=None,
    ),
    "tells a hidden case as a reason": answer(
        f"{REPLIES}send(json.dumps({{'stopped': f'LEAK {{case}}'}}) + '\\n')\nreturn 1"
    ),
    "tells it as every other thing": answer(
        f"{REPLIES}words = 'error', 'unreadable', 'missing', 'errors', 'cell'\n"
        "send(json.dumps(dict.fromkeys(words, f'LEAK {case}')) + '\\n')\nreturn 1"
    ),
    "a remark of a million letters": solved(
        extra=f"{REPLIES}send(json.dumps({{'errors': {{'9' * 10**5: 'x' * 10**5}}}}) + '\\n')", conv_macs=None
    ),
    "a cell whose number cannot be printed": solved(
        extra=f"{REPLIES}send('{{\"cell\": ' + '9' * 4300 + '}}\\n')\nos._exit(0)", conv_macs=None
    ),
    "says that it is done": solved(
        extra="import os\nfor descriptor in range(3, 64):\n    try: os.write(descriptor, b'{\"errors\": [[[]]]}\\n')\n"
        "    except OSError: pass",
        conv_macs=None,
    ),
    "makes progress for ever": solved(
        extra="import os\nwhile True:\n    for descriptor in range(3, 64):\n"
        "        try: os.write(descriptor, b'{\"cell\": [1]}\\n')\n        except OSError: pass",
        conv_macs=None,
    ),
    "stops its parent": solved(extra="import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)", conv_macs=None),
}  # fmt: skip


def shuffled() -> dict:
    notebook = solved()
    return {**notebook, "cells": notebook["cells"][::-1]}


def without_metadata(notebook: dict) -> dict:
    cells = [{"cell_type": cell["cell_type"], "source": cell["source"]} for cell in notebook["cells"]]
    return {"cells": cells}


def with_stub_copies() -> dict:
    """Every answer cell once more behind the first, not filled in, as after a careless paste."""
    notebook = solved()
    stubs = [
        code(problem.stub, instructor={"problem": problem.name}) for problem in ASSIGNMENTS["costs"](SEED).problems
    ]
    return {**notebook, "cells": notebook["cells"] + stubs}


def answered_in_the_cell_that_checks() -> dict:
    """As when a student overwrites the cell below the one that was meant."""
    notebook = solved(conv_macs=None)
    first_check = next(cell for cell in notebook["cells"] if "check(conv_macs" in "".join(cell["source"]))
    first_check["source"] = ANSWER
    return notebook


MANGLED = {
    "answered in another cell": (answered_in_the_cell_that_checks(), ALL),
    "reordered": (shuffled(), ALL),
    "duplicated": ({**solved(), "cells": solved()["cells"] * 2}, ALL),
    "duplicated stubs": (with_stub_copies(), ALL),
    "lost metadata": (without_metadata(solved()), ALL),
    "deleted": (solved(conv_macs=None), ALL - CONV),
    "a helper further down": (
        {**solved(conv_macs=f"assert helper\n{ANSWER}"), "cells": [
            *solved(conv_macs=f"assert helper\n{ANSWER}")["cells"], code("helper = True"),
        ]},
        ALL,
    ),
    "a trial after the answer": (
        {**solved(), "cells": [*solved()["cells"], code("def conv_macs(*case):\n    return 'a trial'")]}, ALL,
    ),
    "the trial named by metadata": (
        {**solved(), "cells": [
            *solved()["cells"], code("def conv_macs(*case):\n    return 1", instructor={"problem": "conv_macs"}),
        ]},
        ALL - CONV,
    ),
    "IPython's commands": (solved(extra="%matplotlib inline\n!ls\nfor _ in 'a':\n    %pip install x"), ALL),
    "a line that begins with a percent sign": (solved(conv_macs=f"assert (3\n  % 2)\n{ANSWER}"), ALL),
    "asks for input": (solved(extra="input('name')"), ALL),
    "a cell that raises": (solved(extra="1 / 0"), ALL),
    "a cell that loops": (solved(extra="while True: pass"), ALL),
    "a cell that exits": (solved(extra="import os; os._exit(0)"), ALL),
    "an error that no file can hold": (solved(extra="raise ValueError('\\ud800 \\u202e \\x1b[2J')"), ALL),
    "fails before the rest of its cell": (
        solved(extra="import matplotlib.pyplot as plt\nimport math as m", conv_macs=f"plt.plot()\nassert m\n{ANSWER}"),
        ALL,
    ),
    "displays": (solved(conv_macs=f"display(1)\n{ANSWER}"), ALL),
    "metadata that is none": (
        {"cells": [{**each, "metadata": odd} for each in solved()["cells"] for odd in (None, {"instructor": 1})]}, ALL,
    ),
    "a package that is not there": (solved(extra="import seaborn_that_nobody_has"), ALL),
    "a cell that is no text": (solved(extra="\0\ud800"), ALL),
    "source in lines": (
        {"cells": [{**cell, "source": cell["source"].splitlines(keepends=True)} for cell in solved()["cells"]]}, ALL,
    ),
    "empty": ("", 0),
    "no notebook": ("Dear Sir or Madam", 0),
    "another format": (json.dumps({"worksheets": []}), 0),
    "cells that are no cells": (json.dumps({"cells": [None, 1, "code", {}]}), 0),
    "a list": ("[]", 0),
    "deep": ("[" * 10**6, 0),
    "not a number at the top": ("NaN", 0),
    "a number of a million digits": ('{"cells": ' + "9" * 10**6 + "}", 0),
    "half a file": (json.dumps(solved())[:5000], 0),
}  # fmt: skip


LARGE = {
    "a huge cell": "x = '" + "x" * 10_000_000 + "'",
    "a cell of many lines": "x = 1\n" * 100_000,
    "a deep cell": "(" * 10**5 + ")" * 10**5,
}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def inherits_orphans():
    """What the grader leaves behind becomes a child of this process, and is found among those of other tests."""
    adopt = ctypes.CDLL(None).prctl
    assert adopt(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    adopt(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def workers() -> set[str]:
    """Processes below this one, by number, that run a worker."""
    parents, found = {}, set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[process.name] = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if b"/worker.py" in (process / "cmdline").read_bytes():
                found.add(process.name)
        except OSError:
            continue

    def is_ours(process: str) -> bool:
        return process == str(os.getpid()) or (process in parents and is_ours(parents[process]))

    return set(filter(is_ours, found))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Rows of the grades by student; a neighbour who did everything right stands before, between and behind them."""
    folder = tmp_path_factory.mktemp("class")
    (folder / "grades.csv").write_text("last week's")
    before = workers()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for name, notebook in {
            **COSTS_A_PART,
            **COSTS_AN_ANSWER,
            **COSTS_ITS_AUTHOR,
            **{k: v[0] for k, v in MANGLED.items()},
        }.items():
            text = notebook if isinstance(notebook, str) else json.dumps(notebook)
            hand_in(folder / "in", name, text.replace("{folder}", str(folder)).replace("{port}", str(port)))
            if name in ("raises", "patches json", "reordered"):
                hand_in(folder / "in", f"{name}, neighbour", solved())
        for name in ("neighbour", "0 neighbour", "zz neighbour"):
            hand_in(folder / "in", name, solved())
        files = snapshot(folder)
        command = ["grade", "costs", str(folder / "in"), "--seed", SEED, "--seconds", "1.2"]
        assert main([*command, "--out", str(folder / "out")]) == 0
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    with (folder / "out" / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    after = {name: content for name, content in snapshot(folder).items() if not name.startswith(str(folder / "out"))}
    return rows, files == after, workers() - before, folder / "out" / "feedback"


@pytest.mark.parametrize("name", COSTS_A_PART)
def test_an_attack_costs_the_part_that_it_is_in(graded, name):
    row = graded[0][name]
    assert int(row["points"]) == ALL - 2
    assert row["One count for sound, pictures and video: a stride"] == "0"


@pytest.mark.parametrize("name", COSTS_AN_ANSWER)
def test_an_attack_costs_the_answer_that_it_is_in(graded, name):
    assert int(graded[0][name]["points"]) == ALL - CONV


@pytest.mark.parametrize("name", COSTS_ITS_AUTHOR)
def test_taking_over_the_worker_gains_nothing(graded, name):
    assert int(graded[0][name]["points"]) <= ALL - (0 if name == "patches math" else CONV)


@pytest.mark.parametrize("name", MANGLED)
def test_a_mangled_notebook_keeps_what_can_be_found(graded, name):
    assert int(graded[0][name]["points"]) == MANGLED[name][1]


def test_a_large_cell_is_read_in_the_time_that_a_class_has(tmp_path):
    """One second and a fifth is for the attacks: a slow processor needs more to read these."""
    for name, cell in LARGE.items():
        hand_in(tmp_path / "in", name, solved(extra=cell))
    command = ["grade", "costs", str(tmp_path / "in"), "--seed", SEED, "--out", str(tmp_path / "out")]
    assert main(command) == 0
    with (tmp_path / "out" / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        assert {row["student"]: row["points"] for row in csv.DictReader(file)} == dict.fromkeys(LARGE, str(ALL))


def test_the_neighbours_get_every_point(graded):
    neighbours = [row for name, row in graded[0].items() if "neighbour" in name and "reads" not in name]
    assert [row["points"] for row in neighbours] == [str(ALL)] * 6
    assert not any(row["remarks"] for row in neighbours)


def test_no_page_shows_what_a_taken_over_worker_says(graded):
    for name in COSTS_ITS_AUTHOR:
        page = (graded[3] / f"{name.replace(' ', '_')}.html").read_text()
        assert "LEAK" not in page
        assert len(page) < 20_000


def test_no_file_has_changed(graded):
    assert graded[1]


def test_no_process_is_left(graded):
    assert not graded[2]


@pytest.mark.parametrize("name", ["reads a neighbour", "opens a socket to this machine", "starts a program"])
def test_without_the_sandbox_an_attack_gets_through(name, tmp_path):
    """So they are attacks, and it is the sandbox that stops them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = json.dumps(COSTS_AN_ANSWER[name]).replace("{folder}", str(tmp_path))
        hand_in(tmp_path / "in", "Ann", text.replace("{port}", str(server.getsockname()[1])))
        hand_in(tmp_path / "in", "neighbour", solved())
        command = ["grade", "costs", str(tmp_path / "in"), "--seed", SEED, "--no-sandbox"]
        assert main([*command, "--out", str(tmp_path / "out")]) == 0
    with (tmp_path / "out" / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        assert next(csv.DictReader(file))["points"] == str(ALL)


def test_a_worker_ends_with_the_grader():
    """As when the grader itself is killed in the middle of an endless loop."""
    script = (
        "from instructor.sandbox import Worker; import json\n"
        "with Worker(sandboxed=True) as worker:\n"
        "    cell = {'cell_type': 'code', 'source': 'while True: pass'}\n"
        "    print('started', flush=True)\n"
        "    worker.ask({'notebook': json.dumps({'cells': [cell]}), 'problems': [], 'by_hand': [], 'skip': []}, 60)\n"
    )
    before = workers()
    grader = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    assert grader.stdout.readline() == b"started\n"
    assert workers() - before
    grader.kill()
    grader.wait()
    grader.stdout.close()
    deadline = time.monotonic() + 50  # a busy machine takes its time
    while workers() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not workers() - before


def test_what_is_left_behind_is_found():
    """A process whose parent has ended, so that it is nobody's."""
    waits = "[sys.executable, '-c', 'import signal; signal.pause()', '/worker.py']"
    left = f"subprocess.Popen({waits}, stdout=subprocess.DEVNULL).pid"
    before = workers()
    done = subprocess.run(
        [sys.executable, "-c", f"import os, subprocess, sys; print({left}, flush=True); os._exit(0)"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    try:
        assert workers() - before == {done.stdout.strip()}
    finally:
        os.kill(int(done.stdout), signal.SIGKILL)
        os.waitpid(int(done.stdout), 0)


def test_the_probe_notices_a_sandbox_that_does_not_protect(monkeypatch):
    monkeypatch.setattr(sandbox, "sandbox_command", lambda program: sandbox.plain_command())
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(sandbox.SandboxError, match="does not protect"):
        check_sandbox()

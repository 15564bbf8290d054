"""Children that end with their parent, and the supervisor that starts them again."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from astakos_worker.local.process import ComponentError, Process, StackError, end, wait_ready
from astakos_worker.local.supervisor import Supervisor
from tests.integration.cluster.until import until

FOREVER = ["python", "-c", "import time; print('here', flush=True); time.sleep(600)"]


def gone(pid):
    """No such process, or only its entry that nobody has collected yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def make(tmp_path):
    made = []

    def make(words=FOREVER, name="program"):
        log = tmp_path / f"{name}.log"
        log.touch()
        process = Process(
            name,
            words,
            log,
            environment=dict(os.environ),
            ready=lambda: "here\n" in process.output(),
        )
        made.append(process)
        return process

    yield make
    for process in made:
        process.kill()


@pytest.fixture
def supervisor():
    supervisor = Supervisor()
    yield supervisor
    supervisor.close([], grace=0)


PARENT = """
import os, pathlib, sys
from astakos_worker.local.process import Process
child = Process("child", ["python", "-c", {child!r}], pathlib.Path(sys.argv[1]),
                environment=dict(os.environ), ready=lambda: True)
child.start()
print(child.pid, flush=True)
sys.stdin.read()
"""
STUBBORN = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("here", flush=True)
time.sleep(600)
"""


def test_a_child_ends_with_its_parent_even_by_kill_9(tmp_path):
    """Nothing is left running, however the stack's own process ends."""
    log = tmp_path / "child.log"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.format(child=STUBBORN), str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        child = int(parent.stdout.readline())
        until(lambda: "here\n" in log.read_text())
        parent.kill()
    until(lambda: gone(child))


WATCHED = """
import os, sys, time
from astakos_worker.local import die_with_parent
os.setsid()
die_with_parent.watch(os.getppid())
print(os.getpid(), flush=True)
os.execvp(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"])
"""
WATCHED_PARENT = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {watched!r}]).wait()
"""


def test_where_the_kernel_does_not_tell_a_watcher_ends_the_child(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WATCHED_PARENT.format(watched=WATCHED)], stdout=subprocess.PIPE
    ) as parent:
        child = int(parent.stdout.readline())
        assert not gone(child)
        parent.kill()
        parent.wait()  # until it is collected its process id is still taken
        until(lambda: gone(child))


def test_a_watcher_goes_with_the_program_that_it_watches():
    with subprocess.Popen(
        [sys.executable, "-c", WATCHED_PARENT.format(watched=WATCHED)], stdout=subprocess.PIPE
    ) as parent:
        child = int(parent.stdout.readline())
        [watcher] = psutil.Process(child).children()
        os.kill(child, signal.SIGKILL)
        until(lambda: gone(watcher.pid))


def test_a_program_that_died_is_started_again(make, supervisor):
    process = make()
    supervisor.start([process])
    wait_ready([process], 30, first=True)
    supervisor.keep([process])
    first = process.pid
    process.kill()
    wait_ready([process], 30)
    assert process.pid != first
    assert process.restarts == 1


def test_its_log_tells_both_runs_and_its_output_only_the_last(make, supervisor):
    process = make()
    supervisor.start([process])
    wait_ready([process], 30, first=True)
    supervisor.keep([process])
    process.kill()
    wait_ready([process], 30)
    assert process.log.read_text().count("here\n") == 2
    assert process.output().count("here\n") == 1
    assert process.output().startswith("$ python -c ")


def test_a_paused_program_is_alive_and_goes_on_when_resumed(make):
    process = make(
        ["python", "-c", "import sys, time\nwhile True: print('here', flush=True); time.sleep(.01)"]
    )
    process.start()
    wait_ready([process], 30)
    process.pause()
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    assert process.alive
    written = len(process.output())
    process.resume()
    until(lambda: len(process.output()) > written)


def test_a_paused_program_can_be_ended(make):
    process = make()
    process.start()
    wait_ready([process], 30)
    process.pause()
    end([process], grace=30)
    assert process.exit_code == -signal.SIGTERM


def test_one_that_does_not_listen_is_ended_when_the_grace_is_over(make):
    process = make(["python", "-c", STUBBORN])
    process.start()
    wait_ready([process], 30)
    end([process], grace=0.2)
    assert process.exit_code == -signal.SIGKILL


def test_one_that_does_not_come_up_is_named_with_the_end_of_its_log(make):
    process = make(["python", "-c", "raise SystemExit('no such town')"], name="post-office")
    process.start()
    with pytest.raises(ComponentError) as caught:
        wait_ready([process], 30, first=True)
    assert str(caught.value).startswith("post-office did not come up: it ended with exit code 1\n")
    assert str(caught.value).endswith("no such town")
    assert caught.value.component == "post-office"


def test_one_that_is_never_ready_is_named_after_a_while(make):
    process = make(["python", "-c", "import time; time.sleep(600)"], name="sloth")
    process.start()
    with pytest.raises(ComponentError, match=r"sloth did not come up: not ready after 0\.1 sec"):
        wait_ready([process], 0.1)


def test_what_keeps_a_program_from_starting_reaches_the_one_who_asked(make, supervisor):
    process = make()
    supervisor.start([process])
    with pytest.raises(StackError, match="runs already"):
        supervisor.start([process])

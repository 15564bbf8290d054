"""The mutants are what they say, and one that breaks a rule is noticed."""

import ast
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.mutation.mutants import of_lua, of_python
from tests.mutation.subjects import MODULES, SCRIPTS, equivalent
from tests.mutation.trying import is_caught


def made(source):
    return {mutant.what: mutant.source for mutant in of_python(source)}


@pytest.mark.parametrize(
    ("source", "mutants"),
    [
        ("def f(a):\n    return a < 1", {"return a <= 1", "return a < 2", "return None"}),
        ("def f(a):\n    return not a", {"return not not a", "return None"}),
        ("x = a and b", {"x = a or b"}),
        ("def f():\n    g()", {"pass"}),
        ("def f():\n    raise E('text', 1)", {"pass"}),
        ("x: Literal[1] = a is b", {"x: Literal[1] = a is not b"}),
        ("x = {A, B}", {"x = {'(gone)', B}", "x = {A, '(gone)'}"}),
    ],
)
def test_each_kind_of_change_is_made_and_nothing_else(source, mutants):
    found = {text.splitlines()[-1].strip() for text in made(source).values()}
    assert found == mutants


def test_a_script_is_changed_outside_of_its_texts_and_comments():
    source = "-- a < b\nlocal x = a < b and 'c > d'\nredis.call('DEL', P)\n"
    assert [mutant.what for mutant in of_lua(source)] == [
        "2: local x = a < b and 'c > d': < becomes <=",
        "2: local x = a < b and 'c > d': and becomes or",
        "3: redis.call('DEL', P) goes",
    ]


def test_every_mutant_of_a_module_can_be_compiled_and_is_another():
    for subject in MODULES:
        source = subject.file.read_text()
        sources = [mutant.source for mutant in of_python(source)]
        assert sources, subject.name
        assert ast.unparse(ast.parse(source)) not in sources
        for each in sources:
            compile(each, subject.name, "exec")


def test_the_scripts_have_more_than_fifty_mutants():
    assert sum(len(list(of_lua(one.file.read_text()))) for one in SCRIPTS) >= 50


def test_each_equivalent_mutant_is_one_that_is_made():
    names = set()
    for subject in [*MODULES, *SCRIPTS]:
        make = of_lua if subject.file.suffix == ".lua" else of_python
        for mutant in make(subject.file.read_text()):
            names.add(f"{subject.name} {mutant.what.partition(': ')[2]}")
    assert set(equivalent()) <= names


def test_a_broken_rule_is_noticed_and_the_rule_itself_is_not():
    [policy] = [one for one in MODULES if one.name.endswith("policy.py")]
    source = policy.file.read_text()
    assert source.count("age < limits.quarantine") == 1
    broken = source.replace("age < limits.quarantine", "age > limits.quarantine")
    # In a process of its own: here other tests may have imported the module already.
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        assert fresh.submit(is_caught, policy.file, broken, policy.tests, ()).result()
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        assert not fresh.submit(is_caught, policy.file, source, policy.tests, ()).result()

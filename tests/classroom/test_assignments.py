"""Every assignment, for three classes: the solution passes every check, the stubs fail every check,
the listed wrong solutions fail the checks that they name."""

import re
import shutil
from itertools import permutations

import pytest

from tinygpt.classroom import source
from tinygpt.classroom.manifest import all_assignments, find_assignment, read_manifest
from tinygpt.classroom.marking import Marker, functions_of
from tinygpt.classroom.student import local

ASSIGNMENTS = [a for a in all_assignments() if a.tasks]
every_class = pytest.mark.parametrize("seed", [0, 1, 2])
every_assignment = pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda a: a.name)


def outcomes(assignment, seed, text, tasks=None):
    """What the checks say, all of them or those that are named."""
    constants = assignment.constants(seed)
    module = source.module(text, assignment.folder / assignment.files[0], given=assignment.given)
    marker = Marker(assignment, constants, hidden=True)
    student = local(module, functions_of(assignment))
    return [marker.run(t, student) for t in marker.tasks if tasks is None or t.name in tasks]


def wrong_solutions(assignment):
    """Name, text that goes after the solution, and the checks that have to fail."""
    text = (assignment.folder / "wrong_solutions.py").read_text("utf-8")
    first, *sections = re.split(r"^# WRONG ", text, flags=re.MULTILINE)
    first = re.sub(r"^from solution import (\([^)]*\)|.*)\n", "", first, flags=re.MULTILINE)
    for section in sections:
        head, _, body = section.partition("\n")
        name, _, tasks = head.partition(": ")
        yield name, f"{first}\n{body}", tasks.split("; ")


def name_of(value):
    """For a test's id: the assignment and the wrong solution's name."""
    return getattr(value, "name", value if isinstance(value, str) and "\n" not in value else "")


WRONG = [(a, *w) for a in ASSIGNMENTS for w in wrong_solutions(a)]


def classes(assignment):
    """Seeds that between them choose everything that a seed can choose."""
    unseen = {(name, str(c)) for name, choices in assignment.variant.items() for c in choices}
    seed = 0
    while unseen or seed < 3:
        chosen = {(name, str(c)) for name, c in assignment.constants(seed).items()}
        if seed < 3 or chosen & unseen:
            yield seed
        unseen -= chosen
        seed += 1


@pytest.mark.parametrize(
    ("assignment", "seed"), [(a, s) for a in ASSIGNMENTS for s in classes(a)], ids=name_of
)
def test_the_solution_passes_every_check(assignment, seed):
    text = source.solution_text(assignment, assignment.constants(seed))
    told = [(o.task.name, o.reason, o.facts) for o in outcomes(assignment, seed, text)]
    assert told == [(task.name, "", ()) for task in assignment.tasks]


@every_assignment
@every_class
def test_the_stubs_fail_every_check_and_are_told_that_they_are_not_written(assignment, seed):
    text = source.solution_text(assignment, assignment.constants(seed))
    for outcome in outcomes(assignment, seed, source.without_solutions(text)):
        assert not outcome.passed and outcome.status == "unwritten", outcome


@every_class
@pytest.mark.parametrize(("assignment", "name", "text", "tasks"), WRONG, ids=name_of)
def test_a_listed_wrong_solution_fails_the_checks_that_it_names(
    assignment, name, text, tasks, seed
):
    whole = source.solution_text(assignment, assignment.constants(seed)) + "\n\n" + text
    said = {o.task.name: o for o in outcomes(assignment, seed, whole, tasks)}
    assert set(tasks) <= set(said), "no such check"
    for task in tasks:
        assert not said[task].passed, f"{task} passes"
        assert "\n" not in said[task].reason and "Traceback" not in said[task].reason


@every_assignment
def test_every_check_has_two_listed_wrong_solutions_points_and_a_hint(assignment):
    for task in assignment.tasks:
        assert sum(task.name in w[3] for w in WRONG if w[0] is assignment) >= 2, task.name
        assert task.points > 0 and task.hint.endswith((".", "?"))


@pytest.mark.parametrize("assignment", all_assignments(), ids=lambda a: a.name)
@pytest.mark.parametrize("first", [0, 3, 2025])
def test_three_seeds_choose_what_there_is_to_choose(assignment, first):
    classes = [assignment.constants(seed) for seed in range(first, first + 3)]
    assert classes == [assignment.constants(seed) for seed in range(first, first + 3)]
    for name, choices in assignment.variant.items():
        chosen = [constants[name] for constants in classes]
        assert len({*chosen}) == min(3, len(choices)) and {*chosen} <= {*choices}, name


@every_assignment
def test_there_are_many_classes(assignment):
    assert len({str(assignment.constants(seed)) for seed in range(100)}) >= 20


@every_assignment
def test_the_solution_of_another_class_does_not_get_all_points(assignment):
    texts = [source.solution_text(assignment, assignment.constants(seed)) for seed in range(3)]
    for seed, other in permutations(range(3), 2):
        wrong = [o.task.name for o in outcomes(assignment, seed, texts[other]) if not o.passed]
        assert wrong, f"seed {seed} takes the solution of seed {other}"


@pytest.mark.parametrize("seed", range(18))
@pytest.mark.parametrize("hair", ["1e-9", "-1e-9"])
def test_who_rounds_in_another_way_keeps_the_same_tokens(hair, seed):
    """A right filter whose threshold is a hair higher or lower; 18 seeds take every pair."""
    assignment = find_assignment("a12")
    text = source.solution_text(assignment, assignment.constants(seed))
    moved = re.sub(r"^THRESHOLD = (\S+)", rf"THRESHOLD = \1 * (1 + {hair})", text, flags=re.M)
    assert moved != text
    filtered = [
        task.name for task in assignment.tasks if task.function in ("keep_likely", "generate")
    ]
    told = [o.reason for o in outcomes(assignment, seed, moved, filtered) if not o.passed]
    assert told == []


@every_assignment
def test_expected_values_come_from_the_solution_at_the_moment_of_grading(assignment, tmp_path):
    """Exchange the teacher's solution, and the right one is wrong."""
    folder = shutil.copytree(assignment.folder, tmp_path / assignment.name)
    right = source.solution_text(assignment, assignment.constants(0))
    changed = 0
    for _, _, text, tasks in (w for w in WRONG if w[0] is assignment):
        hidden = [t.name for t in assignment.tasks if t.hidden and t.name in tasks]
        solution = (assignment.folder / "solution.py").read_text("utf-8")
        (folder / "solution.py").write_text(f"{solution}\n\n{text}", "utf-8")
        exchanged = read_manifest(folder / "manifest.toml")
        changed += any(not o.passed for o in outcomes(exchanged, 0, right, hidden))
    assert changed >= 4

"""Assignments: a teacher releases, students check, the grader grades, offline.

    python -m tinygpt.classroom list | release | check | grade | export

In reading order: `manifest` (what an assignment is) and `source` (its solution, stubs and the
class's constants), `release` (the student's tree), `wire`, `child` and `process` (a submission runs
in a process of its own, which only answers calls), `guard` and `kernel` (what that process is
refused, by Python and by Linux), `student` (what a test is handed), `marking`
(points and reasons), `submissions` (what was handed in), then the reports.
"""

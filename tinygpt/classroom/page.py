"""The pages of a report: one for the class, one for each student; no script, no network."""

import re
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import quote

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --soft: #5c5c5c; --line: #d9d9d9;
  --good: #00704a; --bad: #a83200; --ground: #f5f5f2; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #ececec; --paper: #161616;
  --soft: #a8a8a8; --line: #3d3d3d; --good: #52c79a; --bad: #ff9466; --ground: #222220; } }
body { font: 17px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 48rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.total { font-size: 2.2rem; font-weight: 600; margin: 1rem 0 .3rem; }
.bar { height: .6rem; background: var(--line); border-radius: .3rem; overflow: hidden; }
.bar span { display: block; height: 100%; background: var(--good); }
section { border-top: 1px solid var(--line); padding: .7rem 0; }
.head { display: flex; gap: 1rem; justify-content: space-between; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
.head .good, .head .bad { white-space: nowrap; }
code { font-size: .9em; }
pre { background: var(--ground); padding: .6rem .8rem; border-radius: .3rem; overflow-x: auto;
  font-size: .85rem; line-height: 1.4; margin: .5rem 0; }
.problem { border-left: .3rem solid var(--bad); padding: .4rem .8rem; background: var(--ground); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.class :is(th, td):first-child { min-width: 11rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
a { color: inherit; }
@media (max-width: 40rem) { .class tr { display: grid; grid-template-columns: 1fr auto;
  border-bottom: 1px solid var(--line); } .class th, .class td { border: 0; }
  .class :is(th, td):nth-child(3) { grid-column: 1 / -1; padding-top: 0; } }
@media print { :root { color-scheme: light; } body { margin: 0; max-width: none; }
  section { break-inside: avoid; } pre { white-space: pre-wrap; } }
"""


def student_page(graded: dict[str, Any], student: dict[str, Any]) -> str:
    """What one student reads: the sum, then every check with its reason."""
    most = graded["points"]
    share = 100 * student["points"] / most if most else 0
    body = [
        f"<h1>{escape(graded['title'])}</h1>",
        f'<p class="soft">Assignment {escape(graded["assignment"])} · {escape(student["name"])}'
        "</p>",
        f'<p class="total">{student["points"]:g} of {most:g} points</p>',
        f'<div class="bar" aria-hidden="true"><span style="width: {share:.0f}%"></span></div>',
    ]
    if student["problem"]:
        why = _sentence(student["problem"].removeprefix("the file cannot be run: "), ())
        body.append(f'<p class="problem"><b>Nothing could be run.</b> {why}</p>')
    functions = dict.fromkeys(check["function"] for check in student["checks"])
    for function in functions:
        checks = [check for check in student["checks"] if check["function"] == function]
        got, of = sum(c["points"] for c in checks), sum(c["of"] for c in checks)
        body.append(f"<h2><code>{escape(function)}</code>: {got:g} of {of:g}</h2>")
        body += [_check(check, student["problem"], functions) for check in checks]
    return _html(f"{student['name']}: {student['points']:g} of {most:g}", body)


def _check(check: dict[str, Any], problem: str, functions: Iterable[str]) -> str:
    kind, sign = ("good", "✓") if check["passed"] else ("bad", "✗")
    name = check["name"].partition(": ")[2] or check["name"]  # its function is the heading
    parts = [
        f'<section><div class="head"><span>{escape(name)}</span>'
        f'<span class="{kind}">{sign} {check["points"]:g} of {check["of"]:g}</span></div>'
    ]
    if check["reason"] and not problem:
        parts.append(f"<p>{_sentence(check['reason'], functions)}</p>")
    numbers = [line for line in check["facts"] if not line.startswith("worst ")]
    if numbers:
        parts.append(f"<pre>{escape(chr(10).join(numbers))}</pre>")
    for line in check["facts"]:  # a sentence, which is not to be cut off on a small screen
        if line.startswith("worst "):
            parts.append(f"<p>The worst: {escape(line.partition('= ')[2])}.</p>")
    if check["hint"] and check["status"] == "wrong":
        parts.append(f'<p class="soft">Hint: {_text(check["hint"])}</p>')
    return "".join([*parts, "</section>"])


def class_page(graded: dict[str, Any], names: dict[str, str]) -> str:
    """What the teacher reads: a row a student, and which checks the class found hard."""
    most, students = graded["points"], graded["students"]
    points = [student["points"] for student in students]
    mean = sum(points) / len(points)
    constants = ", ".join(f"{name} {value}" for name, value in graded["constants"].items())
    body = [
        f"<h1>{escape(graded['title'])}</h1>",
        f'<p class="soft">Assignment {escape(graded["assignment"])} · seed {graded["seed"]} · '
        f"{escape(constants)}</p>",
        f"<p>{len(students)} submissions, {mean:.1f} of {most:g} points on average. "
        f"All points: {points.count(most)}; none: {points.count(0)}.</p>",
        '<table class="class"><tr><th>student</th><th class="number">points</th>'
        "<th>to look at</th></tr>",
    ]
    for student in students:
        link = f"students/{quote(names[student['name']])}.html"
        says = "; ".join([student["problem"]] * bool(student["problem"]) + student["notes"])
        body.append(
            f'<tr><td><a href="{link}">{escape(student["name"])}</a></td>'
            f'<td class="number">{student["points"]:g}</td><td class="soft">{_text(says)}</td></tr>'
        )
    body.append("</table><h2>Which checks were hard</h2>")
    body.append('<table><tr><th>check</th><th class="number">passed</th></tr>')
    for i, check in enumerate(students[0]["checks"]):
        passed = sum(student["checks"][i]["passed"] for student in students)
        body.append(
            f'<tr><td>{escape(check["name"])}</td><td class="number">{passed} of {len(students)}'
            "</td></tr>"
        )
    return _html(f"{graded['assignment']}: grades", [*body, "</table>"])


def _sentence(finding: str, functions: Iterable[str]) -> str:
    """A finding with a capital, unless a function's name or a result's (y, dx) begins it, and with
    its full stop."""
    begin, *_ = finding.split() or [""]
    named = begin in functions or re.fullmatch("y|d[a-z]", begin)
    capital = finding if named else finding[:1].upper() + finding[1:]
    return f"{_text(capital)}{'' if finding.endswith(('.', '?')) else '.'}"


def _text(sentence: str) -> str:
    """A sentence with its `code` set as code."""
    parts = escape(sentence).split("`")
    if len(parts) % 2 == 0:
        return escape(sentence)
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _html(title: str, body: list[str]) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )

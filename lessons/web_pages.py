"""The lessons as web pages that need no network: `python lessons/render.py --html FOLDER`.

Each notebook as it is committed, the table of lessons (index.html), the glossary and the guides.
Nothing in them is loaded from elsewhere: pictures and style lie in the page, scripts are left out.
"""

import base64
import os
import re
from html import escape
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from nbformat import NotebookNode

from tinygpt.threads import written_beside

HERE = Path(__file__).resolve().parent
NO_DESCRIPTION = "No description has been provided for this image"  # as nbconvert writes it
FIRST = "README.md"  # becomes index.html
NEITHER_NEEDED_NOR_LOCAL = re.compile(r"<script\b.*?</script>", re.S)
HEADING = re.compile(r'(<h\d id="|<a class="anchor-link" href="#)([^"]*)"')
IMAGE = re.compile(r'(<img\b[^>]*\bsrc=")([^":]+)"')
LINK = re.compile(r'(<a\b[^>]*\bhref=")([^"#:]+)(#[^"]*)?"')
STYLE = """<style>
.jp-RenderedMarkdown pre { margin-bottom: 1em }
.jp-OutputArea-output pre { word-break: normal; overflow-wrap: anywhere }
</style>
</head>"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 sans-serif }}
table {{ border-collapse: collapse }} th, td {{ border: 1px solid #ccc; padding: 0.2rem 0.6rem }}
th {{ text-align: left }} pre {{ background: #f0f0f0; padding: 0.6rem; overflow-x: auto }}
.anchor-link {{ display: none }} img {{ max-width: 100% }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def page_name(source: Path) -> Path:
    """Where a file's page lies in the folder: as the file does in lessons/."""
    return Path("index.html") if source == Path(FIRST) else source.with_suffix(".html")


def links_to_pages(html: str, source: Path, folder: Path, sources: list[Path]) -> str:
    """A link to a file that has a page leads to the page, any other to the file where it lies."""
    here = (folder / page_name(source)).parent

    def link(found: re.Match[str]) -> str:
        file = Path(os.path.normpath(source.parent / found[2]))
        target = folder / page_name(file) if file in sources else HERE / file
        try:
            to = Path(os.path.relpath(target, here)).as_posix()
        except ValueError:  # Windows: on another drive
            to = target.as_uri()
        return f'{found[1]}{to}{found[3] or ""}"'

    return LINK.sub(link, html)


def anchors_as_on_github(html: str) -> str:
    """A heading's name in a link: lower case, no signs. The texts link to those."""

    def slug(found: re.Match[str]) -> str:
        name = re.sub(r"[^\w-]", "", found[2].lower())
        return f'{found[1]}{name}"'

    return HEADING.sub(slug, html)


def images_inside(html: str, folder: Path) -> str:
    """The PNG files that a page shows become part of it."""

    def data(found: re.Match[str]) -> str:
        png = base64.b64encode((folder / found[2]).read_bytes()).decode()
        return f'{found[1]}data:image/png;base64,{png}"'

    return IMAGE.sub(data, html)


def notebook_page(notebook: NotebookNode, title: str) -> str:
    """A notebook's page. Nothing is run; a picture's description is read aloud in its place."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    says = iter([
        escape(output.data.get("text/plain", "Picture").removeprefix("Picture: "))
        for output in outputs
        if "image/png" in output.get("data", {})
    ])  # fmt: skip
    exporter = HTMLExporter(template_name="lab")
    html, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    html = html.replace("</head>", STYLE, 1)
    html = re.sub(NO_DESCRIPTION, lambda _: next(says, "Picture"), html)
    return NEITHER_NEEDED_NOR_LOCAL.sub("", html)


def markdown_page(text: str, title: str) -> str:
    return PAGE.format(title=title, body=markdown2html(text))


def write_pages(folder: Path) -> list[Path]:
    """Write the page of every lesson and text, each at once or not at all; where they are."""
    files = [*HERE.glob("*.ipynb"), *HERE.glob("*.md"), *HERE.glob("guide/*.md")]
    sources = sorted(path.relative_to(HERE) for path in files)
    folder = folder.resolve()
    pages = []
    for source in sources:
        if source.suffix == ".ipynb":
            html = notebook_page(nbformat.read(HERE / source, as_version=4), source.stem)
        else:
            html = markdown_page((HERE / source).read_text(encoding="utf-8"), source.stem)
        html = images_inside(anchors_as_on_github(html), (HERE / source).parent)
        pages.append(folder / page_name(source))
        with written_beside(pages[-1]) as file:
            file.write(links_to_pages(html, source, folder, sources).encode())
    return pages

"""Files, folders and recipes, on real files."""

import hashlib
import http.server
import os
import sysconfig
import threading
from pathlib import Path

import pytest

from tinygpt.data import find_source
from tinygpt.data.files import files_below, written_whole
from tinygpt.data.recipes import SHAKESPEARE, Download
from tinygpt.errors import DataError

VERSE = b"Shall I compare thee to a summer's day?\n"


@pytest.fixture(autouse=True)
def in_a_fresh_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(path, content):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_file_is_read_with_its_line_ends_and_without_its_byte_order_mark():
    put("book.txt", b"\xef\xbb\xbfone\r\ntwo\n\xc3\xa9\xef\xbb\xbf")
    source = find_source("book.txt")
    assert source.texts == ["one\r\ntwo\né\ufeff"]
    assert (source.name, source.path) == ("book", Path("book.txt"))


def test_a_folder_is_read_in_the_order_of_its_paths():
    for name in ("b.txt", "a/z.md", "a/y.py", "c.TXT", "a-b.txt"):
        put(f"docs/{name}", name.encode())
    put("docs/image.png", b"not text by its name")
    put("docs/.git/config.txt", b"hidden")
    put("docs/.hidden.txt", b"hidden")
    put("docs/empty.txt", b"")
    source = find_source("docs")
    assert source.texts == ["a/y.py", "a/z.md", "a-b.txt", "b.txt", "c.TXT"]
    assert source.name == "docs"


def test_a_folder_says_which_files_it_skipped():
    put("docs/a.txt", b"fine")
    bad = put("docs/b.txt", b"caf\xe9")
    source = find_source("docs")
    assert (source.texts, source.skipped) == (["fine"], [bad])


@pytest.mark.parametrize(
    "content",
    [b"caf\xe9", b"\x89PNG\r\n\x1a\n\0\0", "utf-16".encode("utf-16"), "ab".encode("utf-16-le")],
)
def test_a_file_that_is_not_utf8_text_is_refused(content):
    put("x.bin", content)
    with pytest.raises(DataError, match=r"x\.bin is not text in UTF-8; save it as UTF-8"):
        find_source("x.bin")


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(content):
    put("empty.txt", content)
    with pytest.raises(DataError, match=r"empty\.txt is empty"):
        find_source("empty.txt")


def test_a_folder_without_text_is_refused():
    put("docs/a.png", b"x")
    with pytest.raises(DataError, match="the folder docs has no text files"):
        find_source("docs")


def test_what_is_neither_file_nor_folder_is_refused():
    os.mkfifo("pipe")
    with pytest.raises(DataError, match="pipe is neither a file nor a folder"):
        find_source("pipe")


@pytest.mark.parametrize("data", ["nope.txt", "", "a\0b", "x" * 5000])
def test_an_unknown_name_lists_the_recipes(data):
    with pytest.raises(
        DataError, match=r"neither a file or folder that exists nor a recipe.*python, shakespeare"
    ):
        find_source(data)


def test_a_path_wins_over_a_recipe():
    put("python", b"a file of that name")
    assert find_source("python").texts == ["a file of that name"]


def test_the_python_recipe_is_the_standard_library_in_a_fixed_order():
    source = find_source("python")
    stdlib = Path(sysconfig.get_path("stdlib"))
    positions = [
        source.texts.index((stdlib / name).read_bytes().decode("utf-8-sig"))
        for name in ("ast.py", "json/decoder.py", "json/encoder.py", "types.py")
    ]
    assert positions == sorted(positions)
    assert source.sha256() == find_source("python").sha256()


def test_the_python_recipe_leaves_out_what_is_not_the_library():
    texts = set(find_source("python").texts)
    stdlib = Path(sysconfig.get_path("stdlib"))
    for folder in ("idlelib", "lib2to3", "ctypes/test", "unittest/test", "site-packages/pip"):
        # the short ones are often alike
        long = (path for path in stdlib.glob(f"{folder}/*.py") if path.stat().st_size > 1000)
        assert not any(path.read_text(encoding="utf-8") in texts for path in long)


def test_left_out_and_hidden_folders_are_passed_by_at_every_depth():
    for name in ("a.py", "b/c.py", "b/tests/d.py", "tests/e.py", "b/.f/g.py", "h.txt"):
        put(f"src/{name}", b"x")
    found = files_below(Path("src"), {".py"}, {"tests"})
    assert [path.as_posix() for path in found] == ["src/a.py", "src/b/c.py"]


def test_the_hash_of_a_file_is_that_of_its_bytes_and_sees_where_texts_end():
    put("verse.txt", VERSE)
    assert find_source("verse.txt").sha256() == hashlib.sha256(VERSE).hexdigest()
    put("one/a.txt", b"ab")
    put("one/b.txt", b"c")
    put("two/a.txt", b"a")
    put("two/b.txt", b"bc")
    assert find_source("one").sha256() != find_source("two").sha256()


@pytest.fixture
def served():
    """A web server on this machine that gives VERSE for every path but /missing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404 if self.path == "/missing" else 200)
            self.end_headers()
            self.wfile.write(VERSE)

        def log_message(self, *arguments):
            requests.append(self.path)

    requests = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def verse(url, content=VERSE):
    return Download("verse", url, len(content), hashlib.sha256(content).hexdigest())


def test_a_download_is_kept_and_then_read_from_the_folder(served):
    url, requests = served
    assert verse(f"{url}/verse").read() == VERSE.decode()
    assert Path("data/verse.txt").read_bytes() == VERSE
    assert verse(f"{url}/verse").read() == VERSE.decode()
    assert requests == ["/verse"]


def test_a_download_with_another_hash_is_refused_and_leaves_no_file(served):
    url, _ = served
    with pytest.raises(DataError, match="/verse is not the text called verse"):
        verse(f"{url}/verse", b"something else").read()
    assert not Path("data").exists()


@pytest.mark.parametrize("address", ["{}/missing", "http://127.0.0.1:9/x"])
def test_a_failed_download_names_the_way_without_a_network(served, address):
    with pytest.raises(
        DataError, match=r"could not be downloaded .*tinygpt\.data verse --from FILE"
    ):
        verse(address.format(served[0])).read()


def test_a_file_stands_in_for_the_download():
    copy = put("copy", VERSE)
    assert verse("http://127.0.0.1:9/x").read(copy) == VERSE.decode()
    assert Path("data/verse.txt").read_bytes() == VERSE


def test_a_file_that_is_another_text_is_refused():
    put("mine.txt", b"my own")
    with pytest.raises(DataError, match=r"mine\.txt is not the text called shakespeare"):
        find_source("shakespeare", from_file="mine.txt")
    assert not Path("data").exists()


def test_the_users_own_file_in_the_place_of_a_recipe_is_not_overwritten():
    mine = put("data/shakespeare.txt", b"my own")
    with pytest.raises(DataError, match=r"data/shakespeare\.txt is not the text.*move it away"):
        find_source("shakespeare")
    assert mine.read_bytes() == b"my own"


def test_from_goes_with_shakespeare_alone():
    put("mine.txt", b"my own")
    for data in ("python", "mine.txt"):
        with pytest.raises(DataError, match="--from goes with the recipe shakespeare"):
            find_source(data, from_file="mine.txt")


def test_a_missing_file_for_from_is_refused():
    with pytest.raises(DataError, match=r"gone\.txt cannot be read"):
        find_source("shakespeare", from_file="gone.txt")


def test_shakespeare_is_fetched_over_https():
    assert SHAKESPEARE.url.startswith("https://")
    assert len(bytes.fromhex(SHAKESPEARE.sha256)) == 32


def test_a_file_is_written_whole_or_not_at_all():
    path = put("out.txt", b"before")
    with pytest.raises(RuntimeError), written_whole(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"before"
    assert os.listdir() == ["out.txt"]


def test_a_place_that_cannot_be_written_is_refused():
    put("file", b"x")
    with pytest.raises(DataError, match="cannot be written"), written_whole(Path("file/out")):
        raise AssertionError("not reached")

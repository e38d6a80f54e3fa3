"""The house rules that a tool cannot know: who imports whom, what is never written, what is pinned."""

import ast
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from jobs.lake.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
SOURCE = sorted(path for room in ("dags", "jobs", "models") for path in (ROOT / room).rglob("*.py"))
SQL = sorted((ROOT / "sql").glob("*.sql"))

# a DAG says when: it knows addresses and the spelling of command lines
DAGS_MAY_IMPORT = ("jobs.lake.partitions", "jobs.lake.commands", "jobs.lake.locks", "jobs.platform.arguments")
# models/ computes: nothing of files, days, machines or of those who call it
MODELS_MAY_IMPORT = {
    *("models", "numpy", "torch", "transformers", "tokenizers", "safetensors", "faiss", "onnx"),
    *("scipy", "bm25s", "Stemmer", "ir_measures", "kneed", "lightgbm", "matplotlib", "phonenumbers", "stdnum"),
    *("gensim", "implicit"),
}
MODELS_NEVER = {*("datetime", "glob", "os", "pathlib", "shutil", "socket", "sqlite3", "subprocess", "tempfile")}
# package names that are not the name that is imported
PACKAGE = {
    "PIL": "pillow",
    "Stemmer": "pystemmer",
    "sklearn": "scikit-learn",
    "faiss": "faiss-cpu",
    "pytrec_eval": "pytrec-eval-terrier",
    "stdnum": "python-stdnum",
    "xgboost": "xgboost-cpu",
    "yaml": "pyyaml",
}
UNPICKLERS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
STATEMENT = re.compile(r"\b(SELECT\s|INSERT INTO|DELETE FROM|CREATE (TABLE|VIEW)|MERGE INTO)")


def ids(path: Path) -> str:
    """A file's path in the repository."""
    return path.relative_to(ROOT).as_posix()


def each(paths: list[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """One test over many files that names every file which breaks the rule."""

    def over_all(check: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            broken = []
            for path in paths:
                try:
                    check(path)
                except AssertionError as error:
                    broken.append(f"{ids(path)}: {error}")
            assert not broken, "\n".join(broken)

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return over_all


each_file = each(SOURCE)
each_job = each([path for path in SOURCE if ids(path).startswith("jobs/")])
each_model = each([path for path in SOURCE if ids(path).startswith("models/")])
each_dag = each([path for path in SOURCE if ids(path).startswith("dags/")])


@cache
def tree(path: Path) -> ast.Module:
    """The file, parsed once."""
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All nodes of a file."""
    return list(ast.walk(tree(path)))


def imports(path: Path) -> Iterator[str]:
    """Dotted names of the modules that a file imports, wherever in the file."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{ids(path)}:{node.lineno}: a relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def tops(path: Path) -> set[str]:
    """First names of the modules that a file imports, without the standard library's."""
    return {name.partition(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)


def dotted(path: Path) -> str:
    """A module's name: jobs/datasets/pairs.py -> jobs.datasets.pairs."""
    return ids(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")


@cache
def job_modules() -> set[str]:
    """Dotted names of all modules in jobs/."""
    return {dotted(path) for path in SOURCE if ids(path).startswith("jobs/")}


def of_jobs(path: Path) -> set[str]:
    """Modules of jobs/ that a file imports."""
    return set(imports(path)) & job_modules()


@cache
def commands() -> set[str]:
    """Dotted names of the commands: modules with an `Args` and a `main`."""
    return {
        dotted(path)
        for path in SOURCE
        if ids(path).startswith("jobs/") and {"Args", "main"} <= {getattr(node, "name", "") for node in tree(path).body}
    }


@each_dag
def test_dags_import_airflow_and_the_floor_plan_alone(path: Path) -> None:
    assert tops(path) <= {"airflow", "pendulum", "dags", "jobs"}
    of_jobs = {name for name in imports(path) if re.match(r"jobs\.", name)}
    strange = {name for name in of_jobs if not re.match(rf"({'|'.join(DAGS_MAY_IMPORT)})\b", name)}
    assert not strange


def test_what_dags_import_of_jobs_is_the_standard_library_alone() -> None:
    """A scheduler parses DAG files all day: what they import may not bring torch or Spark along."""
    code = f"import sys, {', '.join(DAGS_MAY_IMPORT)}; sys.stdout.write(' '.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"airflow", "great_expectations", "mlflow", "numpy", "pandas", "pyarrow", "pyspark"}
    assert not {name.partition(".")[0] for name in loaded} & (heavy | {"faiss", "torch"})


@each_model
def test_models_import_nothing_of_the_world(path: Path) -> None:
    assert tops(path) <= MODELS_MAY_IMPORT
    assert not {name.partition(".")[0] for name in imports(path)} & MODELS_NEVER
    calls = {n.func.id for n in nodes(path) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert "open" not in calls


def test_every_command_is_listed_and_every_line_of_the_list_is_a_command() -> None:
    """`python -m jobs` finds a command by this list, so one that it lacks could not be run."""
    listed = {f"jobs.{room}.{file}" for room, files in COMMANDS.items() for file in files.values()}
    assert listed == commands()


# verbs with which the one line of a command may begin, where it is no `Reads -> writes`
VERBS = {*("Check", "Compare", "Delete", "Generate", "List", "Move", "Report", "Resolve", "Run", "Search", "Serve")} | {
    *("Send", "Start", "Take", "Trace", "Train")
}


def test_every_command_has_one_line_in_the_list() -> None:
    """`python -m jobs` shows the first line of each docstring, and has room for 59 characters on 80 columns."""
    paths = [ROOT / "jobs" / room / f"{file}.py" for room, files in COMMANDS.items() for file in files.values()]
    firsts = {ids(path): (ast.get_docstring(tree(path)) or "").partition("\n")[0] for path in paths}
    assert {path: line for path, line in firsts.items() if len(line) > 59} == {}
    assert {path: line for path, line in firsts.items() if " -> " not in line and line.split()[0] not in VERBS} == {}


@each_file
def test_no_module_imports_a_command(path: Path) -> None:
    assert not of_jobs(path) & (commands() - {dotted(path)})


# room -> the rooms of jobs/ that it may import; a room that stands here under none is free
MAY_IMPORT = {"lake": {"lake"}, "platform": {"lake", "platform"}, "bundle": {"lake", "platform", "bundle"}}
# what nobody but themselves imports
APART = {"simulator", "local"}


@each_job
def test_rooms_import_one_way(path: Path) -> None:
    own = ids(path).split("/")[1]
    rooms = {name.split(".")[1] for name in of_jobs(path)}
    assert rooms <= MAY_IMPORT.get(own, rooms)
    assert not rooms & (APART - {own})


@each_file
def test_functions_are_short(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 40, f"{node.name}: over 40 lines"


@each_file
def test_nothing_prints_evaluates_or_starts_a_shell(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            assert name not in {"print", "eval", "exec"}, f"line {node.lineno}: {name}("
            given = {key.arg: getattr(key.value, "value", None) for key in node.keywords}
            assert given.get("shell") is not True, f"line {node.lineno}: shell=True"


@each_file
def test_nothing_unpickles(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports(path)} & UNPICKLERS
    for node in nodes(path):
        if isinstance(node, ast.Call):
            given = {key.arg: getattr(key.value, "value", None) for key in node.keywords}
            assert given.get("weights_only") is not False, f"line {node.lineno}: weights_only=False"
            assert given.get("allow_pickle") is not True, f"line {node.lineno}: allow_pickle=True"


@each_file
def test_no_array_is_written_by_c(path: Path) -> None:
    """`np.save` and `tofile` report success with the tail missing on a full disk: `jobs.lake.arrays` writes."""
    called = {node.func.attr for node in nodes(path) if isinstance(node, ast.Call) and hasattr(node.func, "attr")}
    text = path.read_text("utf-8")
    assert "tofile" not in called and "np.save(" not in text


@each_file
def test_sql_is_never_put_together_from_strings(path: Path) -> None:
    for node in nodes(path):
        parts: list[ast.expr] = []
        if isinstance(node, ast.JoinedStr):
            parts = node.values
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
            parts = [node.left, node.right]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "format":
            parts = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        texts = [str(part.value) for part in parts if isinstance(part, ast.Constant)]
        assert not any(STATEMENT.search(text) for text in texts), f"line {node.lineno}: {texts}"


@each(SQL)
def test_a_query_states_its_grain_and_is_one_select(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("-- Grain: ")
    code = re.sub(r"--.*", "", text)
    assert re.match(r"\s*(WITH|SELECT)\b", code)
    assert not re.search(r"\bSELECT\s+\*|\.\*", code), "every column is named"


def pins() -> dict[str, str]:
    """name -> version of requirements.lock; a line that is not an exact pin is an error."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    found = [re.fullmatch(r"([a-z0-9-]+)==([0-9][0-9a-z.]*)", line) for line in lines if line[0] != "#"]
    assert all(found), "every line is name==version, without a local label or a marker"
    return {pin[1]: pin[2] for pin in found if pin}


def required() -> dict[str, list[str]]:
    """Requirements in setup.cfg: the base under '', the others under the name of their extra."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    groups = {"": setup["options"]["install_requires"], **setup["options.extras_require"]}
    return {extra: [line for line in text.split("\n") if line and line[0] != "#"] for extra, text in groups.items()}


def names(requirements: list[str]) -> set[str]:
    """Their names alone."""
    return {re.split(r"[<>=!~\[]", line)[0].lower() for line in requirements}


def test_the_lock_pins_what_setup_cfg_asks_for() -> None:
    asked = set.union(*(names(lines) for lines in required().values()))
    assert asked - {"faiss-gpu"} <= set(pins())
    assert "faiss-gpu" not in pins()  # it installs the same folder as faiss-cpu


@pytest.mark.parametrize("rooms", [("dags", "jobs", "models"), ("tests",)], ids=str)
def test_every_library_that_is_imported_is_asked_for(rooms: tuple[str, ...]) -> None:
    """One that comes only along with another may go with its next version."""
    groups = ["", "faiss-cpu", *(["dev", "bench"] if rooms == ("tests",) else [])]
    asked = {name for group in groups for name in names(required()[group])}
    imported = {top for room in rooms for path in (ROOT / room).rglob("*.py") for top in tops(path)}
    # Airflow is a namespace of many packages; _typeshed is the type checker's and never loaded;
    # autofaiss has a folder of its own
    imported -= {"airflow", "autofaiss", "dags", "jobs", "models", "tests", "_typeshed"}
    assert "/autofaiss autofaiss==" in (ROOT / "Makefile").read_text()
    assert {PACKAGE.get(top, top.replace("_", "-").lower()) for top in imported} <= asked


def hashed(text: str) -> dict[str, str]:
    """name -> version of lines of requirements.hashes; a line without the sha256 of one file is an error."""
    lines = [line for line in text.splitlines() if line[0] != "#"]
    found = [re.fullmatch(r"([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}", line) for line in lines]
    assert all(found), "every line is name==version --hash=sha256:..."
    assert len({pin[1] for pin in found if pin}) == len(found), "a package is named once"
    return {pin[1]: pin[2] for pin in found if pin}


def test_every_pin_but_torchs_has_a_hash() -> None:
    text = (ROOT / "requirements.hashes").read_text()
    assert hashed(text) == {name: version for name, version in pins().items() if name != "torch"}
    made, beyond = map(hashed, text.split("# beyond `make`: the other extras\n"))
    assert names([*required()[""], *required()["faiss-cpu"], *required()["dev"]]) - {"torch"} <= set(made)
    assert not {"scann", "apache-airflow-providers-cncf-kubernetes"} & set(made) and beyond


def test_make_installs_nothing_unchecked_but_torch() -> None:
    """And what pip would ask an index for by itself: neither dependencies, nor what a package is built with."""
    said = subprocess.run(
        ["make", "--dry-run", "--always-make", ".venv/minilm"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    installs = [line.partition("pip install ")[2] for line in said.splitlines() if "pip install" in line]
    unchecked = [line for line in installs if "--require-hashes" not in line]
    assert len(installs) == 5
    assert all("--no-deps --no-build-isolation" in line for line in installs if not line.endswith(" torch"))
    if sys.platform == "linux" and platform.machine() == "x86_64":
        assert [line.rpartition(" ")[2] for line in unchecked] == ["torch", "."]


def test_the_lock_is_what_setup_cfg_allows() -> None:
    """A bound that was changed without `make lock`."""
    wanted = [Requirement(line) for lines in required().values() for line in lines]
    assert len(wanted) > 60
    drifted = [
        str(each) for each in wanted if each.name.lower() in pins() and pins()[each.name.lower()] not in each.specifier
    ]
    assert drifted == []


def test_no_pin_is_below_a_known_advisory() -> None:
    lines = (ROOT / ".ci" / "advisories.txt").read_text().splitlines()
    least = [Requirement(line.partition("#")[0].strip()) for line in lines if line[0] != "#"]
    assert {each.name for each in least} >= {
        "torch",
        "transformers",
        "mlflow",
        "apache-airflow",
        "pyspark",
        "faiss-cpu",
    }
    assert [str(each) for each in least if pins()[each.name] not in each.specifier] == []


def test_both_flavours_of_faiss_are_one_version() -> None:
    assert required()["faiss-gpu"] == [f"faiss-gpu=={pins()['faiss-cpu']}"]


def test_this_environment_is_the_locks() -> None:
    """Torch, Spark and FAISS as pinned; and pyspark-client, which shares pyspark's folder, is its twin."""
    for name in ("faiss-cpu", "pyspark", "torch"):
        assert version(name).partition("+")[0] == pins()[name]
    try:
        assert version("pyspark-client") == version("pyspark")
    except PackageNotFoundError:
        assert "pyspark-client" not in pins()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements.hashes", "Makefile", "setup.cfg", ".ci/run"])
def test_no_package_index_is_named(name: str) -> None:
    assert not re.search(r"index-url|find-links|://", (ROOT / name).read_text())


def test_the_folder_great_expectations_does_not_hide_the_library() -> None:
    assert not (ROOT / "great_expectations" / "__init__.py").exists()

"""Every README, CONTRIBUTING and page of docs/ states what holds: its commands, settings, make targets, links and paths exist."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from airflow.providers.fab.get_provider_info import get_provider_info

from dags.forms import Source, declared_fields
from jobs.lake.commands import is_command, module_of

ROOT = Path(__file__).resolve().parents[1]
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
PAGES = [name for name in TRACKED if re.fullmatch(r"(.*/)?(README|CONTRIBUTING|CHANGELOG)\.md|docs/.*\.md", name)]
TEXTS = {name: (ROOT / name).read_text("utf-8") for name in PAGES}
# `python -m jobs pairs --click_counts ... \` may go on in the next line
COMMANDS = sorted(
    {
        (name, " ".join(re.split(r" (?:&&|>) ", command.replace("\\\n", " "))[0].split()))
        for name, text in TEXTS.items()
        for command in re.findall(r"python -m jobs ((?:[^`\n\\]|\\\n)+)", text)
    }
)
# for tests and for one process's own use
INTERNAL = {"NIGHTSHELF_FAULT", "NIGHTSHELF_RUN", "NIGHTSHELF_WARM_SPARK"}
# names that jobs.local.airflow_env puts together
PORTS = {f"NIGHTSHELF_{service}_PORT" for service in ("AIRFLOW", "MLFLOW", "SITE")}
# folders and files of the repository; a path in backticks that begins with one of these must exist
TOP = {name.partition("/")[0] for name in TRACKED}
# made by a command and not committed
MADE = ("great_expectations/uncommitted", "docker/.env")

each_page = pytest.mark.parametrize("page", PAGES)


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_exists_and_uses_flags_that_it_has(page: str, command: str) -> None:
    name, *words = command.split()
    if name == "COMMAND" or not re.fullmatch(r"\w+", name):  # a placeholder, or prose about commands
        return
    assert is_command(name), f"{page}: {command}"
    flags = {word[2:].partition("=")[0] for word in words if re.match(r"--[a-z]", word)}
    assert flags <= {*declared_fields(Source(module_of(name)), "Args"), "help", "help-all"}, f"{page}: {command}"


def test_every_setting_is_in_one_table_and_every_row_is_a_setting() -> None:
    """The root README keeps its table until it is rewritten; elsewhere a setting has one row in one page."""
    sources = [ROOT / name for name in TRACKED if re.match(r"(jobs|dags|tests)/.*\.py$|docker/.*\.yaml$", name)]
    read = {
        name
        for path in sources
        if path != Path(__file__)
        for name in re.findall(r"NIGHTSHELF_[A-Z_]+[A-Z]", path.read_text("utf-8"))
    }
    rows = {page: re.findall(r"^\| `(NIGHTSHELF_\w+)` ", text, re.MULTILINE) for page, text in TEXTS.items()}
    below = [name for page, names in rows.items() if page != "README.md" for name in names]
    assert len(below) == len(set(below)), "a setting has two rows"
    assert {*below, *rows["README.md"]} == (read | PORTS) - INTERNAL


@each_page
def test_every_setting_of_airflow_that_is_named_is_one_of_the_pinned_version(page: str) -> None:
    package = find_spec("airflow")
    assert package and package.submodule_search_locations
    template = Path(package.submodule_search_locations[0]) / "config_templates" / "config.yml"
    known = yaml.safe_load(template.read_text()) | get_provider_info()["config"]
    named = {tuple(name.lower().split("__")) for name in re.findall(r"AIRFLOW__([A-Z_]+[A-Z])", TEXTS[page])}
    missing = [
        (section, option) for section, option in named if option not in known.get(section, {}).get("options", ())
    ]
    # of a provider that is not installed
    assert [each for each in missing if each[0] != "keycloak_auth_manager"] == []


@each_page
def test_every_make_target_that_is_named_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^    )make ([a-z]+)", TEXTS[page], re.MULTILINE)) <= targets


@each_page
def test_every_link_within_the_repository_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", TEXTS[page])
    missing = [link for link in links if "://" not in link and not ((ROOT / page).parent / link).exists()]
    assert not missing


@each_page
def test_every_path_in_backticks_exists(page: str) -> None:
    """`jobs/lake/publish.py`, `models/text/`: from the root, or from the page's own folder."""
    paths = {
        path.rstrip("/")
        for path in re.findall(r"`([\w.-]+(?:/[\w.*-]+)+/?)`", TEXTS[page])
        if path.partition("/")[0] in TOP and "*" not in path and not path.startswith(MADE)
    }
    missing = [path for path in paths if not (ROOT / path).exists() and not ((ROOT / page).parent / path).exists()]
    assert not missing


@each_page
def test_every_python_module_that_is_named_exists(page: str) -> None:
    """`jobs.lake.publish`: a module, or a name in one."""
    missing = []
    for name in set(re.findall(r"`((?:jobs|models|dags)(?:\.\w+)+)`", TEXTS[page])):
        path = ROOT / name.replace(".", "/")
        if not (path.is_dir() or path.with_suffix(".py").is_file() or path.parent.with_suffix(".py").is_file()):
            missing.append(name)
    assert not missing

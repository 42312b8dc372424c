"""`python -m devtools.mutations` takes each safety line out in turn and demands that a test notices it."""

import argparse
import signal
import sys
from collections.abc import Sequence

from devtools.mutations import MUTATIONS, Mutation, measured, table
from devtools.mutations.campaign import Campaign, Copy, Result
from devtools.mutations.kept import Kept


def chosen(names: Sequence[str], *, quick: bool) -> list[Mutation]:
    """Return the mutations whose names begin with one of `names`, or all; ends the process where none does."""
    found = [each for each in MUTATIONS if each.quick or not quick]
    unknown = [name for name in names if not any(each.name.startswith(name) for each in found)]
    if unknown:
        raise SystemExit(f"no mutation begins with {', '.join(unknown)}; --list names them")
    return [each for each in found if not names or any(each.name.startswith(name) for name in names)]


def run(mutations: Sequence[Mutation], kept: Kept) -> list[Result]:
    """Run a campaign, or the rest of one, and print each result as it comes."""
    results = []
    with Copy.made() as copy:
        kept.of(copy.root)
        campaign = Campaign(copy)
        for number, mutation in enumerate(mutations, 1):
            result = kept.result(mutation) or campaign.attempt(mutation)
            kept.keep(result)
            results.append(result)
            print(
                f"{number:3}/{len(mutations)} {result.outcome:14} {result.took_s:6.1f} s  {mutation.name}", flush=True
            )
            if result.outcome != "killed":
                print(f"    {mutation.file}: {mutation.breaks}", flush=True)
            if result.details:
                print(f"    {result.details}", flush=True)
    return results


def main() -> int:
    """Run the campaign that the command line asks for; return 1 where a mutation survived or could not be judged."""
    parser = argparse.ArgumentParser(prog="python -m devtools.mutations", description=__doc__)
    parser.add_argument("names", nargs="*", help="begins of names of mutations; by default all")
    parser.add_argument("--quick", action="store_true", help="only those whose tests need no server")
    parser.add_argument("--anew", action="store_true", help="also those that an earlier run on this code has judged")
    parser.add_argument("--write", action="store_true", help="put what killed them into docs/reliability.md")
    parser.add_argument("--list", action="store_true", help="print the list and run nothing")
    arguments = parser.parse_args()
    mutations = chosen(arguments.names, quick=arguments.quick)
    if arguments.list:
        print("\n".join(f"{each.name}: {each.breaks}" for each in mutations))
        return 0
    results = run(mutations, Kept(forget=arguments.anew))
    if arguments.write:
        measured.record(results, [each.name for each in MUTATIONS])
        table.PAGE.write_text(table.page())
    print()
    for outcome in ("killed", "survived", "not applicable", "error"):
        names = [each.mutation.name for each in results if each.outcome == outcome]
        if names:
            print(f"{outcome}: {len(names)}{'' if outcome == 'killed' else ' (' + ', '.join(names) + ')'}")
    return int(any(each.outcome in ("survived", "error") for each in results))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the tests and their servers end as well
    sys.exit(main())

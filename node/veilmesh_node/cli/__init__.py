"""The command line: one thin module per command group. Parse, call the library, print.

Rules for what is printed, kept by every command:

- results go to stdout, everything else (progress, notes, errors) to stderr;
- `--json` puts exactly one JSON document on stdout, also when the command fails;
- an error is one line that names the thing, and a hint that answers "what now?";
- the exit code comes from `ExitCode` alone.

Command modules import only typer and the standard library at the top, so that `veilmesh --help` stays fast;
what a command needs is imported when it runs.
"""

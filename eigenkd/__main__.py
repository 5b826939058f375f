"""eigenkd deviation | risk | theorem ...: the commands that the package brings; python -m eigenkd is the same."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from eigenkd import __version__

COMMANDS = {
    "deviation": "how a student's confidence deviates from its teacher's",
    "risk": "when to stop, whether to distil, how to mix teacher and labels",
    "theorem": "gains of teacher and student along the eigendirections of a spectrum or of data",
}
SHELLS = ("bash", "zsh", "tcsh", "fish")


class Parser(argparse.ArgumentParser):
    """One line for a wrong argument, as for every other mistake."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parser(complete: bool = False) -> argparse.ArgumentParser:
    """The command line; complete: with the arguments of every command, which loads them all."""
    result = Parser(prog="eigenkd", description="The theory of knowledge distillation, and measurements for any "
                    "network.", epilog="Completion of commands and options: eigenkd completion bash (zsh, tcsh, "
                    "fish) prints the script for the shell; it needs shtab: pip install 'eigenkd[completion]'.")
    result.add_argument("--version", action="version", version=f"eigenkd {__version__}")
    commands = result.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name, text in COMMANDS.items():
        parents = [import_module(f"eigenkd.{name}.__main__").parser()] if complete else []
        commands.add_parser(name, help=text, parents=parents, add_help=False)
    completion = commands.add_parser("completion", help="the completion script of a shell")
    completion.add_argument("shell", choices=SHELLS)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what it returns: 0, or 2 after a user's mistake."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0] in COMMANDS:
        return import_module(f"eigenkd.{arguments[0]}.__main__").main(arguments[1:], prog=f"eigenkd {arguments[0]}")
    options = parser().parse_args(arguments)
    try:
        import shtab
    except ImportError:
        print("error: completion: expected shtab, which is missing; pip install 'eigenkd[completion]'", file=sys.stderr)
        return 2
    print(shtab.complete(parser(complete=True), shell=options.shell))
    return 0


if __name__ == "__main__":
    sys.exit(main())

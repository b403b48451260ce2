"""``qml completion``: a script by which a shell completes commands, flags and their values."""

import argparse
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ..values.texts import say
from . import codes

ABOUT = """\
Print a script by which a shell completes qml's commands, flags and their values:

  bash   source <(qml completion bash)         in ~/.bashrc
  zsh    source <(qml completion zsh)          in ~/.zshrc, after compinit
  fish   qml completion fish | source          in ~/.config/fish/config.fish"""


@attrs.frozen
class Flag:
    """``takes``: a value follows; ``choices``: the only ones there are, if they are few."""

    name: str
    says: str
    takes: bool
    choices: tuple[str, ...]


@attrs.frozen
class Words:
    """What may follow a command. ``path``: it, as in ``qml jobs list``; ``verbs`` and ``choices``
    (of an argument of its own) by name, with what they do."""

    path: str
    verbs: dict[str, str]
    flags: list[Flag]
    choices: tuple[str, ...]


def add_to(commands: Any) -> None:
    """Add the command to ``qml``."""
    about = "print a script that completes qml's commands in a shell"
    parser = commands.add_parser("completion", help=about, description=ABOUT)
    parser.add_argument("shell", metavar="SHELL", choices=tuple(SHELLS), help=", ".join(SHELLS))
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    from .parser import make_parser

    say(SHELLS[arguments.shell](list(words_of(make_parser()))))
    return codes.DONE


def words_of(parser: argparse.ArgumentParser) -> Iterator[Words]:
    """The words of a command, and of all below it."""
    below = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    arguments = [one for one in parser._actions if not one.option_strings and one not in below]
    yield Words(
        parser.prog,
        {one.dest: one.help or "" for group in below for one in group._choices_actions},
        [_flag(one) for one in parser._actions if one.option_strings],
        tuple(choice for one in arguments for choice in one.choices or ()),
    )
    for group in below:
        for child in group.choices.values():
            yield from words_of(child)


def _flag(action: argparse.Action) -> Flag:
    name = next(name for name in action.option_strings if name.startswith("--"))
    says = (action.help or "").replace("%%", "%")
    return Flag(name, says, action.nargs != 0, tuple(action.choices or ()))


def _paths(found: list[Words]) -> list[str]:
    return [one.path for one in found if " " in one.path]


def _patterns(texts: list[str]) -> str:
    return "|".join(f'"{text}"' for text in texts)


BASH = """\
_qml() {{
    local path="qml" words="" i
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    [[ $word == "=" ]] && word=""
    [[ $before == "=" ]] && before="${{COMP_WORDS[COMP_CWORD-2]}}"
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$path ${{COMP_WORDS[i]}}" in
            {paths}) path="$path ${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "$path $before" in
{values}
        *)
            case "$path" in
{words}
            esac ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _qml qml"""


def bash(found: list[Words]) -> str:
    """The script for bash. Where nothing is known it completes file names."""
    words = []
    for one in found:
        names, flags = (*one.verbs, *one.choices), (flag.name for flag in one.flags)
        line = f'words="{" ".join(names)}"; [[ $word == -* ]] && words="{" ".join(flags)}" ;;'
        words.append(f'                "{one.path}") {line}')
    values = [f'        {at}) words="{" ".join(choices)}" ;;' for at, choices in _values(found)]
    return BASH.format(
        paths=_patterns(_paths(found)), values="\n".join(values), words="\n".join(words)
    )


# Not "path", which is PATH in zsh.
ZSH = """\
#compdef qml
_qml() {{
    local at="qml" word
    local -a found
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        case "$at $word" in
            ({paths}) at="$at $word" ;;
        esac
    done
    case "$at ${{words[CURRENT-1]}}" in
{values}
        (*)
            case "$at" in
{words}
            esac ;;
    esac
    if (( $#found )); then _describe qml found; else _files; fi
}}
if [[ $funcstack[1] == _qml ]]; then _qml "$@"; else compdef _qml qml; fi"""


def zsh(found: list[Words]) -> str:
    """The script for zsh, with what each word means."""
    words = []
    for one in found:
        names = [_described(name, says) for name, says in one.verbs.items()]
        flags = " ".join(_described(flag.name, flag.says) for flag in one.flags)
        line = f"found=({' '.join((*names, *one.choices))})"
        line += f"; [[ $words[CURRENT] == -* ]] && found=({flags}) ;;"
        words.append(f'                ("{one.path}") {line}')
    values = [f"        ({at}) found=({' '.join(choices)}) ;;" for at, choices in _values(found)]
    return ZSH.format(
        paths=_patterns(_paths(found)), values="\n".join(values), words="\n".join(words)
    )


def _values(found: list[Words]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The flags that a value follows, as patterns, by the values there are."""
    by_choices: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        for flag in one.flags:
            if flag.takes:
                by_choices.setdefault(flag.choices, []).append(f"{one.path} {flag.name}")
    for choices, at in by_choices.items():
        yield _patterns(at), choices


def _described(name: str, says: str) -> str:
    return shlex.quote(f"{name}:{says}".replace("[", "(").replace("]", ")"))


FISH = """\
function __qml_at
    set -l path qml
    for word in (commandline -opc)[2..-1]
        switch "$path $word"
            case {paths}
                set path "$path $word"
        end
    end
    test "$path" = "$argv[1]"
end"""


def fish(found: list[Words]) -> str:
    """The script for fish, with what each word means."""
    lines = [FISH.format(paths=" ".join(f"'{path}'" for path in _paths(found)))]
    for one in found:
        at = f"complete -c qml -n '__qml_at \"{one.path}\"'"
        for name, says in one.verbs.items():
            lines.append(f"{at} -f -a {name} -d {_quoted(says)}")
        if one.choices:
            lines.append(f"{at} -f -a '{' '.join(one.choices)}'")
        for flag in one.flags:
            values = f" -x -a '{' '.join(flag.choices)}'" if flag.choices else ""
            takes = values or (" -r" if flag.takes else "")
            lines.append(f"{at} -l {flag.name[2:]}{takes} -d {_quoted(flag.says)}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: dict[str, Callable[[list[Words]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}

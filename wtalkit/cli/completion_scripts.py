"""The scripts of ``wtalkit completion``, a function for each shell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wtalkit.cli.completion import Node


def bash(nodes: Sequence[Node]) -> str:
    """For bash 4 and newer; where nothing is known, bash completes files."""
    return f"""\
# bash completion of wtalkit, made by: wtalkit completion bash
_wtalkit() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} path="" words="" i
    if [[ $cur == "=" ]]; then
        cur=""
    elif [[ $prev == "=" ]]; then
        prev=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
{_path(nodes, "${COMP_WORDS[i]}", " " * 8)}
    done
    case "$path:$prev" in
{_indented(f'"{key}") words="{values}" ;;' for key, values in _valued(nodes))}
{_indented(f'"{key}") return ;;' for key in _takers(nodes))}
        *)
            if [[ $cur == -* ]]; then
                case "$path" in
{_indented((f'"{_key(node)}") words="{_options(node)}" ;;' for node in nodes), 20)}
                esac
            else
                case "$path" in
{_indented((f'"{_key(node)}") words="{_names(node)}" ;;' for node in nodes if _names(node)), 20)}
                esac
            fi
            ;;
    esac
    [[ -n $words ]] && COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -o bashdefault -o default -F _wtalkit wtalkit
"""


def zsh(nodes: Sequence[Node]) -> str:
    """For zsh 5, as a file ``_wtalkit`` in ``fpath``."""
    return f"""\
#compdef wtalkit
# zsh completion of wtalkit, made by: wtalkit completion zsh
_wtalkit() {{
    local cur=${{words[CURRENT]}} prev=${{words[CURRENT-1]}} cmd="" word
    local -a known
    for word in "${{(@)words[2,CURRENT-1]}}"; do
{_path(nodes, "$word", " " * 8, variable="cmd")}
    done
    case "$cmd:$prev" in
{_indented(f'"{key}") known=({values}) ;;' for key, values in _valued(nodes))}
{_indented(f'"{key}") _files; return ;;' for key in _takers(nodes))}
        *)
            if [[ $cur == -* ]]; then
                case "$cmd" in
{_indented((f'"{_key(node)}") known=({_options(node)}) ;;' for node in nodes), 20)}
                esac
            else
                case "$cmd" in
{_indented((f'"{_key(node)}") known=({_names(node)}) ;;' for node in nodes if _names(node)), 20)}
                esac
            fi
            ;;
    esac
    (( $#known )) && compadd -a known || _files
}}
_wtalkit "$@"
"""


def fish(nodes: Sequence[Node]) -> str:
    """For fish 3, which shows what each command and option is for."""
    lines = ["# fish completion of wtalkit, made by: wtalkit completion fish", *_fish_path(nodes)]
    about = {node.path: node.about for node in nodes}
    for node in nodes:
        here = _fish_condition(node)
        for child in node.children:
            lines.append(f"complete -c wtalkit {here} -f -a {child} -d {_quoted(about[(*node.path, child)])}")
        if node.values:
            lines.append(f"complete -c wtalkit {here} -a {_quoted(' '.join(node.values))}")
        for option in node.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = f" -x -a {_quoted(' '.join(option.values))}" if option.values else " -r" if option.takes else ""
            lines.append(f"complete -c wtalkit {here} {names}{value} -d {_quoted(option.about)}")
    return "\n".join(lines) + "\n"


def _key(node: Node) -> str:
    return " ".join(node.path)


def _path(nodes: Iterable[Node], word: str, indent: str, variable: str = "path") -> str:
    """Follow the words of the line down the tree of commands."""
    steps = {f"{' '.join(node.path[:-1])}/{node.path[-1]}": " ".join(node.path) for node in nodes if node.path}
    cases = "\n".join(f'{indent}    "{step}") {variable}="{path}" ;;' for step, path in steps.items())
    return f'{indent}case "${variable}/{word}" in\n{cases}\n{indent}esac'


def _valued(nodes: Iterable[Node]) -> list[tuple[str, str]]:
    """``command:--option`` and the values that are known, one string."""
    return [
        (f"{_key(node)}:{name}", " ".join(option.values))
        for node in nodes
        for option in node.options
        for name in option.names
        if option.values
    ]


def _takers(nodes: Iterable[Node]) -> list[str]:
    """``command:--option`` of those that take values of which nothing is known."""
    return [
        f"{_key(node)}:{name}"
        for node in nodes
        for option in node.options
        for name in option.names
        if option.takes and not option.values
    ]


def _options(node: Node) -> str:
    return " ".join(name for option in node.options for name in option.names)


def _names(node: Node) -> str:
    return " ".join((*node.children, *node.values))


def _indented(lines: Iterable[str], spaces: int = 8) -> str:
    return "\n".join(" " * spaces + line for line in lines)


def _fish_path(nodes: Iterable[Node]) -> Iterable[str]:
    """A function that follows the words of the line down to a command; fish's own ones find a word anywhere."""
    yield "function __wtalkit_at"
    yield '    set -l path ""'
    yield "    set -l words (commandline -opc)"
    yield "    for word in $words[2..]"
    yield '        switch "$path/$word"'
    for node in nodes:
        if node.path:
            yield f'            case "{" ".join(node.path[:-1])}/{node.path[-1]}"'
            yield f'                set path "{_key(node)}"'
    yield from ("        end", "    end", '    test "$path" = "$argv"', "end")


def _fish_condition(node: Node) -> str:
    return f"-n {_quoted(f'__wtalkit_at {_key(node)}'.rstrip())}"


def _quoted(text: str) -> str:
    """In single quotes, within which fish knows two escapes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

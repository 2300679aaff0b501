"""Preprocessor of mdBook: links of docs/ to files outside it lead to the repository's page of that file, or name the file where
Cargo.toml has no `repository`."""

import json
import re
import sys
import tomllib
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent.parent


def rewritten(text, folder, address):
    """Returns a page with its links that leave docs/ as addresses; without an address of the repository as the names of the files."""
    def link(found):
        parts = []
        for part in (PurePosixPath("docs") / folder / found[2]).parts:
            if part == ".." and parts:
                parts.pop()
            else:
                parts.append(part)
        if parts[0] == "docs":
            return found[0]
        if address:
            return f"[{found[1]}]({address}/blob/main/{'/'.join(parts)}{found[3] or ''})"
        return found[1] if parts[-1] in found[1] else f"{found[1]} (`{'/'.join(parts)}`)"
    return re.sub(r"\[([^]]*)\]\((\.\./[^)#\s]*)(#[^)\s]*)?\)", link, text)


def visit(items, address):
    """Rewrites the chapters of a part of the book, and theirs."""
    for item in items:
        if chapter := isinstance(item, dict) and item.get("Chapter"):
            folder = PurePosixPath(chapter["path"] or ".").parent
            chapter["content"] = rewritten(chapter["content"], folder, address)
            visit(chapter["sub_items"], address)


def main():
    """Reads the book from mdBook and prints it."""
    if sys.argv[1:2] == ["supports"]:
        return
    _, book = json.load(sys.stdin)
    address = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"].get("repository")
    visit(book.get("items", book.get("sections", [])), address)
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main()

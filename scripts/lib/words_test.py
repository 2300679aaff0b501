"""Tests of scripts/words: words planted in each kind of text are found, and words in code, names and addresses are not."""

import importlib.machinery
import importlib.util
import sys
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "words"
sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader("words", str(SCRIPT))
words = importlib.util.module_from_spec(importlib.util.spec_from_loader("words", LOADER))
LOADER.exec_module(words)


def found(name, text):
    """Returns the unwanted words of a text as (line, word)."""
    return [(line, word) for line, word, _ in words.places(name, text)]


class Planted(unittest.TestCase):
    """Each place holds one unwanted word."""

    def test_found_in_each_kind_of_text(self):
        planted = {
            "documentation comment": ("a.rs", "/// What it says.\nfn f() {}\n", 1, "says"),
            "header of a file": ("a.rs", "//! One thing,\n//! beside another.\n", 2, "beside"),
            "comment": ("a.rs", "fn f() {\n    // The caller is told.\n}\n", 2, "told"),
            "comment behind code": ("a.rs", "let a = '\"'; // nobody reads it\n", 1, "nobody"),
            "comment behind a lifetime": ("a.rs", "fn f<'a>(b: &'a str) {} // kept apart\n", 1, "apart"),
            "nested comment": ("a.rs", "/* one /* two */ says\n */ fn f() {}\n", 1, "says"),
            "string": ("a.rs", 'fn f() {\n    print("it stands");\n}\n', 2, "stands"),
            "string behind an escaped quote": ("a.rs", r'let a = "\\"; let b = "\" anew";' + "\n", 1, "anew"),
            "string of several lines": ("a.rs", 'let a = "one\n    weighs two";\n', 2, "weighs"),
            "raw string": ("a.rs", 'let a = r#"a "quoted" house"#;\n', 1, "house"),
            "bytes": ("a.rs", 'let a = b"it tells";\n', 1, "tells"),
            "attribute": ("a.rs", '#[doc = "so many"]\nfn f() {}\n', 1, "so many"),
            "expectation": ("a.rs", '#[expect(dead_code, reason = "nobody calls it")]\n', 1, "nobody"),
            "name of a test": ("a.rs", "#[test]\nfn a_caller_is_told() {}\n", 2, "told"),
            "name of a type": ("a.rs", "pub(crate) struct BesideTerms;\n", 1, "Beside"),
            "name of a variable": ("a.rs", "    let mut told = 1;\n", 1, "told"),
            "pair of words over two lines": ("a.rs", "// emissions of the\n// making of a server\n", 1, "the making of"),
            "docstring": ("a.py", 'def f():\n    """Returns what it says."""\n', 2, "says"),
            "comment of Python": ("a.py", "a = 1  # somebody\n", 1, "somebody"),
            "string of Python": ("a.py", "\na = 'it tells'\n", 2, "tells"),
            "class of Python": ("a.py", "class KeeperOfRuns:\n    pass\n", 1, "Keeper"),
            "test of Python": ("a.py", "def test_m01_caller_is_told(self):\n    pass\n", 1, "told"),
            "script without suffix": ("tool", "#!/usr/bin/env python3\n# for ever\n", 2, "for ever"),
            "Markdown": ("a.md", "# A page\n\nWhat it says.\n", 3, "says"),
            "comment in a fence": ("a.md", "```\neco2 demo  # says it\n```\n", 2, "says"),
            "table of points": ("docs/a.in", "m01 | 1 | a caller is told\n", 1, "told"),
            "header of C": ("eco2.h", "/**\n * What it tells.\n */\nint f(void);\n", 2, "tells"),
            "line comment of C++": ("eco2.hpp", "char a = '\"'; // it stands\n", 1, "stands"),
            "comment of shell": ("a.sh", "#!/bin/sh\necho 1 # it says\n", 2, "says"),
            "message of shell": ("a.sh", '#!/bin/sh\necho "the reason stands above"\n', 2, "stands"),
            "reason in TOML": ("deny.toml", 'reason = "nobody else"\n', 1, "nobody"),
            "workflow": (".ci/run", "#!/bin/sh\n# whoever\n", 2, "whoever"),
            "page": ("a.html", "<p>\nIt says so.</p>\n", 2, "says"),
        }
        for kind, (name, text, line, word) in planted.items():
            with self.subTest(kind):
                self.assertEqual(found(name, text), [(line, word)])

    def test_each_word_is_found(self):
        for alternatives in words.WORDS:
            for word in alternatives.replace("(?<!of )", "").replace("(?! as| that)", "").split("|"):
                with self.subTest(word):
                    self.assertTrue(found("a.rs", f"// it {word}\n"))

    def test_several_words_of_one_line_are_each_named(self):
        self.assertEqual(found("a.md", "It says what nobody told.\n"), [(1, "says"), (1, "nobody"), (1, "told")])


class Kept(unittest.TestCase):
    """What is not prose, or is another word, is not found."""

    def test_not_found(self):
        kept = {
            "longer words": ("a.md", "They understand the apartment, besides the household, a misspelled word and essays.\n"),
            "mathematics": ("a.rs", "// the weighted mean, with weights of 1\n"),
            "a phrase": ("a.md", "Of course.\n"),
            "as long as": ("a.md", "Not so long as that.\n"),
            "backquotes": ("a.md", "The field `beside` and the function `say()`.\n"),
            "backquotes over two lines": ("a.rs", "// see `eco2 tell\n// me` there\n"),
            "address": ("a.md", "See https://example.com/says/house and [a page](docs/told.md).\n"),
            "file name": ("a.rs", "// as in tests/cli/beside.rs\n"),
            "fence of Markdown": ("a.md", '```json\n{"note": "it says"}\n```\n'),
            "fence of documentation": ("a.rs", '/// An example:\n/// ```\n/// let told = say("told");\n/// ```\n'),
            "code": ("a.rs", "fn f(told: u8) { told.say(house); }\n"),
            "wire name": ("a.rs", 'let a = report["spells"].get("counsel");\n'),
            "wire name in JSON": ("a.rs", r'let a = r#"{"beside": []}"#; let b = "{\"silences\": 1}";' + "\n"),
            "wire name in a path": ("a.rs", 'let a = json.pointer("/carbon/beside/0"); let b = "carbon.beside.mean";\n'),
            "variable of a wire name": ("a.rs", "let beside = carbon.beside;\n"),
            "renamed field": ("a.rs", '#[serde(rename = "spells", default)]\nepisodes: u8,\n'),
            "wire name of Python": ("a.py", "a = report['carbon']['beside']\n"),
            "letter": ("a.rs", "let a = 'x'; let b = '\\''; let c = b'\"'; let d = 1;\n"),
            "code of Python": ("a.py", "told = say(house)\n"),
            "code of shell": ("a.sh", "#!/bin/sh\nsay() { told; }\n"),
            "name of a metric": ("a.rs", 'let a = "eco2_spell_energy_joules";\n'),
            "exported name": ("a.py", "class Meter:\n    def apart(cls):\n        pass\n"),
            "length of a parameter": ("a.sh", "#!/bin/sh\nn=${#told}\n"),
            "element": ("a.html", '<p class="beside">One</p>\n'),
        }
        for kind, (name, text) in kept.items():
            with self.subTest(kind):
                self.assertEqual(found(name, text), [])

    def test_a_wire_name_is_only_a_whole_literal(self):
        self.assertEqual(found("a.rs", 'let a = "two spells of it";\n'), [(1, "spells")])
        self.assertEqual(found("a.rs", "// The spells.\n"), [(1, "spells")])


if __name__ == "__main__":
    unittest.main()

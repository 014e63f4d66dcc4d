"""Renders chat templates as transformers does.

    chat_templates.py families FOLDER   every template of the folder with a table of conversations, without and with a prompt for an answer:
                                        {variables, conversations, texts: {name: [[text, text], one for each conversation]}}
    chat_templates.py pieces SEED COUNT random small templates: {variables, cases: [{template, text}]}

Both print JSON. A text is null where jinja2 ends with an error. `Tests/JinjaTests/Resources/families.json` is the first one's output.
"""

import copy
import json
import random
import sys
import warnings
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "date_string": "26 Jul 2024"}


def rendered(template: str, variables: dict) -> str | None:
    # Some of jinja2's filters change what they are given.
    try:
        return _compile_jinja_template(template).render(**copy.deepcopy(variables))
    except Exception:
        return None


def conversations() -> list[list[dict]]:
    def text(words: str) -> dict:
        return {"type": "text", "text": words}

    picture = {"type": "image"}
    question = {"role": "user", "content": "  What's 2+2?\n"}
    answer = {"role": "assistant", "content": ' It\'s "4" & more. '}
    thought = {"role": "assistant", "content": "<think>\nhm\n</think>\n\n4"}
    shown = {"role": "user", "content": [picture, text("What is <it>?")]}
    said = {"role": "assistant", "content": [text("A café 😀.")]}
    several = {"role": "user", "content": [picture, text("one"), picture, text("two")]}
    found = []
    for system in ([], [{"role": "system", "content": "Be kind."}]):
        found += [system + [question], system + [question, answer], system + [question, answer, question]]
        found += [system + [question, thought, question, thought]]
    for system in ([], [{"role": "system", "content": [text("Be kind.")]}]):
        found += [system + [shown], system + [shown, said, several], system + [several, said, shown, said]]
    return found + [[question, question], [answer]]


def families(folder: Path) -> dict:
    asked = conversations()
    texts = {}
    for path in sorted(folder.glob("*.jinja")):
        template = path.read_text(encoding="utf-8")
        texts[path.stem] = []
        for messages in asked:
            variables = TOKENS | {"messages": messages, "tools": None, "documents": None}
            texts[path.stem].append([rendered(template, variables | {"add_generation_prompt": asks}) for asks in (False, True)])
    return {"variables": TOKENS, "conversations": asked, "texts": texts}


VARIABLES = {
    "a": 3,
    "b": -2,
    "f": 2.5,
    "s": "  Hello, World  ",
    "e": "",
    "u": "Straße ÉÇΣ 😀\n",
    "l": [3, 1, 2],
    "n": [],
    "d": {"x": 1, "y": "z"},
    "t": True,
    "m": [
        {"role": "user", "content": "Hi", "n": 2},
        {"role": "assistant", "content": [{"type": "text", "text": "A"}, {"type": "image"}], "n": 1},
    ],
    "nothing": None,
}
ATOMS = """a|b|f|s|e|u|l|n|d|t|m|nothing|1|0|-3|2.0|1e3|'x'|'lo'|"W"|[1,2]|['b','a','B']|{'k': 1}|(1,2)|missing|d.x|d['y']|m[0].role
m[1]['content']|l[0]|l[-1]|s[2:5]|l[::-1]|u[::2]|range(4)|true|none|'%s!'|d.items()""".replace("\n", "|").split("|")
FILTERS = [
    "upper", "lower", "trim", "length", "list", "first", "last", "join(',')", "default('D')", "default('D',true)", "string", "int",
    "float", "abs", "round", "round(1)", "capitalize", "title", "reverse|list", "sort", "sort(reverse=true)", "unique|list", "min",
    "max", "sum", "tojson", "tojson(indent=2)", "replace('l','L')", "indent(2)", "dictsort", "items|list", "batch(2)|list",
    "map('string')|join('/')", "select('string')|list", "reject('none')|list", "selectattr('n')|list",
    "map(attribute='role')|join(';')", "selectattr('role','equalto','user')|list", "count", "center(9)", "wordcount", "truncate(5)",
    "slice(2)|list", "groupby('n')|list",
]
TESTS = [
    "defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "integer", "float", "boolean", "true",
    "false", "odd", "even", "divisibleby 2", "eq 3", "in [3,'x']", "lower", "upper", "callable", "gt 1", "ne 'x'",
]
METHODS = [
    ".strip()", ".split()", ".split('l')", ".split(',',1)", ".rsplit('o',1)", ".upper()", ".lower()", ".title()", ".startswith('  H')",
    ".endswith('d  ')", ".replace('o','0')", ".replace('o','0',1)", ".find('o')", ".join(['a','b'])", ".lstrip()", ".rstrip(' d')",
    ".count('l')", ".isdigit()", ".isalpha()", ".capitalize()", ".get('x')", ".get('q',5)", ".keys()|list", ".values()|list",
    ".items()|list", ".splitlines()", ".partition(',')", ".zfill(5)", ".index(1)", ".format(1)", ".isupper()", ".islower()",
    ".ljust(20,'.')", ".center(7)", ".removeprefix('  ')", ".rfind('l')", ".x", ".missing", "['x']", "[0]", "[-1]", "[1:]", "[:2]",
]
OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", ">", "<=", ">=", "in", "not in", "and", "or"]
LOOP_BODIES = [
    "{{ loop.index }}/{{ loop.length }}{{ loop.last }}", "{{ i }}", "{% set q = i %}{{ q }}",
    "{% if loop.first %}{% continue %}{% endif %}", "{% if loop.index > 1 %}{% break %}{% endif %}",
    "{{ loop.previtem }}{{ loop.nextitem }}", "{{ loop.cycle(1,2) }}",
]


class Pieces:
    """Random templates from a grammar."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, *items: str) -> str:
        return self.random.choice(items)

    def expression(self, depth: int) -> str:
        kind = self.random.random()
        if depth <= 0 or kind < 0.15:
            return self.pick(*ATOMS)
        inner = self.expression(depth - 1)
        if kind < 0.4:
            return f"{inner}|{self.pick(*FILTERS)}"
        if kind < 0.5:
            return f"({inner}) is {self.pick('', 'not ')}{self.pick(*TESTS)}"
        if kind < 0.62:
            return f"({inner}){self.pick(*METHODS)}"
        if kind < 0.88:
            return f"({inner} {self.pick(*OPERATORS)} {self.expression(depth - 1)})"
        if kind < 0.94:
            return f"({inner} if {self.expression(depth - 1)} else {self.expression(depth - 1)})"
        return self.pick(f"not {inner}", f"[{inner}, {self.expression(depth - 1)}]", f"-{self.pick(*ATOMS)}")

    def blank(self) -> str:
        return self.pick("", "", "\n", "  ", "\n  ", "x", " \n")

    def statement(self, depth: int) -> str:
        kind = self.random.random()
        begin, end = self.pick("{%", "{%", "{%-", "{%+"), self.pick("%}", "%}", "-%}", "+%}")
        if depth <= 0 or kind < 0.35:
            return f"{self.blank()}{self.pick('{{', '{{-')} {self.expression(2)} {self.pick('}}', '-}}')}{self.blank()}"
        inner = self.blank() + self.statement(depth - 1) + self.blank()
        if kind < 0.5:
            other = self.statement(depth - 1)
            return f"{self.blank()}{begin} if {self.expression(1)} {end}{inner}{begin} else {end}{other}{begin} endif {end}"
        if kind < 0.7:
            values = self.pick("l", "m", "d", "u", "range(3)", "n", "d.items()", "l|sort")
            body = self.pick(*LOOP_BODIES)
            return f"{self.blank()}{begin} for i in {values} {end}{self.blank()}{body}{inner}{begin} endfor {end}{self.blank()}"
        if kind < 0.78:
            return f"{self.blank()}{begin} set a = {self.expression(2)} {end}{inner}"
        if kind < 0.84:
            return f"{begin} set ns = namespace(v={self.expression(1)}) {end}{{% for j in l %}}{{% set ns.v = j %}}{{% endfor %}}{{{{ ns.v }}}}"
        if kind < 0.9:
            call = f"{{{{ mm({self.expression(1)}) }}}}"
            return f"{begin} macro mm(p, q={self.expression(1)}) {end}{{{{ p }}}}:{{{{ q }}}}{inner}{begin} endmacro {end}{call}"
        if kind < 0.94:
            return f"{self.blank()}{{# c {self.pick('-#}', '#}')}{inner}"
        if kind < 0.97:
            return f"{begin} set body {end}{inner}{begin} endset {end}[{{{{ body }}}}]"
        return f"{begin} filter upper {end}{inner}{begin} endfilter {end}"

    def template(self) -> str:
        return "{{ " + self.expression(3) + " }}" if self.random.random() < 0.6 else self.statement(3)


def pieces(seed: int, count: int) -> list[dict]:
    made = Pieces(seed)
    templates = [made.template() for _ in range(count)]
    found = [{"template": template, "text": rendered(template, VARIABLES)} for template in templates]
    # What Python writes for a function or a generator has an address in it.
    return [case for case in found if case["text"] is None or " at 0x" not in case["text"] and "<built-in" not in case["text"]]


warnings.simplefilter("ignore")
if sys.argv[1] == "families":
    print(json.dumps(families(Path(sys.argv[2])), ensure_ascii=False))
else:
    print(json.dumps({"variables": VARIABLES, "cases": pieces(int(sys.argv[2]), int(sys.argv[3]))}))

"""Texts of YAML that eat memory, the stack or time, mean two things, or hold what no setting can; and what is said."""

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)
)

MERGES = f"a: &a {{{','.join(f'k{i}: 1' for i in range(1000))}}}\nb: {{<<: [{'*a,' * 300}]}}"

TEXTS = [
    ("name: 2020-99-99", "'2020-99-99' in line 1 cannot be read as timestamp"),
    ("a: 1\nn: " + "9" * 5000, "in line 2 cannot be read as int"),
    ("n: 0x" + "f" * 5000, "in line 1 cannot be read as int"),
    ("n: 0x" + "f" * 90, "a number of 360 bits is too large"),
    ("n: " + "1:" * 200_000 + "1", "in line 1 cannot be read as int"),
    ("n: " + "1:" * 200_000 + "1.5", "in line 1 cannot be read as float"),
    ("n: !!int {=: " + "1:" * 200_000 + "1}", "what stands there in line 1 cannot be read as int"),
    ("n: " + "[" * 3000 + "]" * 3000, "nested more than 50 deep"),
    ("\n".join(" " * i + "a:" for i in range(1500)), "nested more than 50 deep"),
    (BOMB, "its aliases stand for too much"),
    ("a: &a [*a]", "found unconstructable recursive node"),
    ("a: &a {<<: *a}", "found unconstructable recursive node"),
    ("a: &a " + "x" * 50_000 + "\nb: [" + "*a," * 100 + "]", "its aliases stand for too much"),
    (MERGES, "its merges stand for too much"),
    ("a: 1\nb: 2\na: 3", "the key 'a' stands there twice, again in line 3"),
    ("a: {b: 1, b: 2}", "the key 'b' stands there twice"),
    ("1: a\n01: b", "the key '01' stands there twice, again in line 2"),
    ("1: a\n0x1: b", "the key '0x1' stands there twice"),
    ("true: a\nyes: b", "the key 'yes' stands there twice"),
    ('a: 1\n"a": 2', "the key 'a' stands there twice"),
    ('runs: "a\\0b"', "holds '\\x00'"),
    ('runs: "\\ud800"', "holds '\\ud800'"),
    ('"a\\e[31m": 1', "holds '\\x1b'"),
    ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ("a: !!binary aGVsbG8=", "could not determine a constructor for the tag 'tag:yaml.org,2002:binary'"),
    ("a: !!set {b, c}", "could not determine a constructor"),
    ("a: !!omap [b: c]", "could not determine a constructor"),
    ("a: !!pairs [b: c]", "could not determine a constructor"),
    ("a: !!map b", "cannot be read as map"),
    ("a: !!seq b", "is not valid YAML"),
    ("a: !!str [b]", "cannot be read as str"),
    ("? [a]\n: b", "unhashable key"),
    ("a: *b", "undefined alias"),
    ("a: [", "is not valid YAML"),
    ("<<: 3", "what is merged in line 1 is no mapping"),
    ("<<: [{a: 1}, 3]", "what is merged in line 1 is no mapping"),
]

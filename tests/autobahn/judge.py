"""Reads the report of an Autobahn run: python3 judge.py REPORT LOG. Prints how many cases ended how, and the name of each that
is neither OK nor informational, for which the exit code is 1."""

import collections
import json
import re
import sys

GOOD = ("OK", "INFORMATIONAL")

report_file, log_file = sys.argv[1:]
with open(report_file) as file:
    cases = json.load(file)["peerhub"]
with open(log_file) as file:
    expected = int(re.search(r"will run (\d+) test cases", file.read())[1])

verdicts = collections.Counter(case["behavior"] for case in cases.values())
closes = collections.Counter(case["behaviorClose"] for case in cases.values())
print(f"{len(cases)} of {expected} cases; behaviour: {dict(verdicts)}; closing: {dict(closes)}")
for name, case in cases.items():
    if case["behavior"] == "INFORMATIONAL":
        print(f"{name}: informational, closed with {case['remoteCloseCode']}")
bad = [name for name, case in cases.items() if case["behavior"] not in GOOD or case["behaviorClose"] not in GOOD]
for name in bad:
    print(f"{name}: {cases[name]['behavior']}, closing {cases[name]['behaviorClose']}; {cases[name]['reportfile']}")
if bad or len(cases) != expected or expected == 0:
    sys.exit(1)

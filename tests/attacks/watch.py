"""Has anything of an attack come to life in the browser?

Watches a page for what the payloads would do: set `window.__pwned`, open a dialog or another window, inject the id
`pwned`, ask any origin but the server's own, or be refused by the content security policy, which means that
something was read as more than text.
"""

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, Request

LISTEN = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", event => window.__violations.push(
  `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ""}:${event.lineNumber} ${event.sample}`));
"""
LOOK = """() => {
  const roots = [document];
  for (const root of roots)
    for (const element of root.querySelectorAll("*")) if (element.shadowRoot) roots.push(element.shadowRoot);
  const all = selector => roots.flatMap(root => [...root.querySelectorAll(selector)]);
  return [
    ...(window.__pwned === undefined ? [] : [`a script ran: ${window.__pwned}`]),
    ...all("#pwned, [id^=pwned]").map(element => `an element was injected: ${element.outerHTML.slice(0, 200)}`),
    ...all("[onerror], [onload], [onclick], [onfocus], [ontoggle]").map(
      element => `an element has a handler: ${element.outerHTML.slice(0, 200)}`),
    ...all("a[*|href*='evil.example'], a[*|href^='javascript:'], a[*|href^='data:']").map(
      element => `a link leads out: ${element.outerHTML.slice(0, 200)}`),
    ...all("[src*='evil.example'], [data*='evil.example'], iframe[srcdoc], .katex").map(
      element => `an element was made of text: ${element.outerHTML.slice(0, 200)}`),
    ...all("span, strong, em, h1, h2, h3, li").filter(element => /^pwned 77\\d+$/.test(element.textContent)).map(
      element => `a text was formatted: ${element.outerHTML.slice(0, 200)}`),
    ...window.__violations.map(each => `the policy refused: ${each}`),
  ];
}"""


class Watch:
    """What came to life in one browser context since it was last asked."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self._own, self._heard = urlsplit(address).netloc, list[str]()
        context.add_init_script(LISTEN)
        context.on("request", self._on_request)
        context.on(
            "dialog", lambda dialog: (self._heard.append(f"a dialog opened: {dialog.message}"), dialog.dismiss())
        )

    def alarms(self, page: Page) -> list[str]:
        """Everything, for this page as it stands and for all requests so far."""
        heard, self._heard = self._heard, []
        others = [f"another page opened: {each.url}" for each in page.context.pages if each is not page]
        return heard + others + list(page.evaluate(LOOK))

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._own:
            self._heard.append(f"another origin was asked: {request.url[:200]}")

// When did what people see last change? Put into every page before the page's own scripts.
//
// The clock starts at the time stamp of the awaited input event, and stops with the frame after the last change in
// the page's main part or, where that is later, when the server's script is done. `clock.drawn` is the first frame
// in which the map shows as many points as asked for.
(() => {
  const QUIET_MS = 300;
  const WATCHED = {
    childList: true,
    characterData: true,
    subtree: true,
    attributes: true,
    attributeFilter: ["d", "data-drawn", "data-points", "points", "transform", "data-test-script-state"],
  };
  const VIEWS = "[data-testid=stMetric], .js-plotly-plot, [data-testid=stDataFrame], .scatter[data-points]";
  const clock = (window.clock = {});

  clock.arm = (awaited, points) => {
    Object.assign(clock, { awaited, points, start: null, changed: 0, idle: 0, drawn: null, views: new Map() });
  };
  clock.arm(null, null);

  for (const type of ["click", "keydown", "pointerup"]) {
    const begin = (event) => {
      if (clock.awaited !== type) return;
      clock.awaited = null;
      clock.start = event.timeStamp;
    };
    addEventListener(type, begin, { capture: true });
  }

  const host = (node) => {
    const root = node.getRootNode();
    return root instanceof ShadowRoot ? root.host : null;
  };
  const closest = (node, selector) => {
    for (let at = node; at; at = host(at)) {
      const found = (at.nodeType === Node.ELEMENT_NODE ? at : at.parentElement)?.closest(selector);
      if (found) return found;
    }
    return null;
  };
  const isIdle = () => document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning";

  const observer = new MutationObserver((changes) => {
    if (clock.start === null) return;
    const views = new Set();
    let isSeen = false;
    for (const { target, addedNodes, attributeName } of changes) {
      if (attributeName === "data-test-script-state") {
        if (isIdle()) clock.idle = performance.now();
      } else if (closest(target, "[data-testid=stMain]")) {
        isSeen = true;
        views.add(closest(target, VIEWS));
        for (const node of addedNodes) node.querySelectorAll?.(VIEWS).forEach((view) => views.add(view));
      }
    }
    if (isSeen) requestAnimationFrame(() => stamp(views));
  });
  const stamp = (views) => {
    clock.changed = performance.now();
    for (const view of views) if (view) clock.views.set(view, clock.changed);
    const map = [...clock.views.keys()].find((view) => view.matches("[data-points]"));
    if (map && Number(map.dataset.points) === clock.points && Number(map.dataset.drawn) >= 1) {
      clock.drawn ??= clock.changed;
    }
  };
  observer.observe(document, WATCHED);
  const { attachShadow } = Element.prototype;
  Element.prototype.attachShadow = function (options) {
    const root = attachShadow.call(this, options);
    observer.observe(root, WATCHED);
    return root;
  };

  /** Milliseconds and what changed, once everything rests; null before. */
  clock.read = () => {
    const { start, changed, idle, drawn } = clock;
    const end = Math.max(changed, idle);
    const isResting = start !== null && changed > 0 && isIdle() && performance.now() - end > QUIET_MS
      && !document.querySelector("[data-stale=true], [data-testid=stSkeleton]");
    if (!isResting || (clock.points && drawn === null)) return null;
    const names = { stMetric: "figures", stDataFrame: "table" };
    const views = [...clock.views.keys()].filter((view) => view.isConnected);
    return {
      ms: end - start,
      script_ms: idle ? idle - start : null,
      drawn_ms: drawn === null ? null : drawn - start,
      views: views.map((view) => names[view.dataset.testid] ?? (view.matches("[data-points]") ? "map" : "chart")),
    };
  };
})();

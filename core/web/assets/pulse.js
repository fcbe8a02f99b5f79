// Asks for a dataset's pulse every few seconds, and has the page drawn again when others changed what it shows.
//
// A redraw of nobody's doing must take nothing away from anybody: it waits while a script runs, whose end brings the
// news anyway, and while a hand moves or types. On a busy server, where a redraw takes long, it comes less often.

const LEAST_MS = 2000;
const MOST_MS = 20000;
const TIMES_A_REDRAW = 40;
const LOOK_MS = 500;
const RESTING_MS = 600;
const OF_HANDS = ["pointerdown", "pointermove", "keydown", "wheel"];

let stop = () => {}; // Streamlit calls again on every change of data, and cleans up only when the page is left
let wanted = 0; // when a redraw was asked for that has not come yet
let wait = LEAST_MS;
let touched = 0;

export default function ask({ data, setTriggerValue }) {
  stop();
  if (wanted) wait = Math.min(Math.max(TIMES_A_REDRAW * (performance.now() - wanted), LEAST_MS), MOST_MS);
  wanted = 0;
  let told = data.seen;
  let next = performance.now() + wait;

  const touch = () => (touched = performance.now());
  const isResting = () =>
    document.querySelector("[data-testid=stApp]")?.getAttribute("data-test-script-state") === "notRunning" &&
    performance.now() - touched > RESTING_MS;
  const look = async () => {
    if (document.hidden || performance.now() < next || !isResting()) return;
    next = performance.now() + wait;
    try {
      const answer = await fetch(data.address, { cache: "no-store" });
      const now = await answer.text();
      if (!answer.ok || now === told) return;
      if (!isResting()) next = 0;
      else {
        told = now;
        wanted = performance.now();
        setTriggerValue("changed", now);
      }
    } catch {
      // the server is away; it is asked again
    }
  };

  const timer = setInterval(look, LOOK_MS);
  for (const name of OF_HANDS) document.addEventListener(name, touch, { capture: true, passive: true });
  stop = () => {
    clearInterval(timer);
    for (const name of OF_HANDS) document.removeEventListener(name, touch, { capture: true });
  };
  return stop;
}

/* Events as they come: the stream's rows go into the list, which stands still while it is read. */

const MOST = 200; // rows of the list
const FEW = 5; // rows that are marked as new: to fade many at a time costs more than to draw them
const SAID_EVERY_MS = 5000;

const live = document.getElementById("live");
const list = document.getElementById("events");
const pause = document.getElementById("pause");
const state = document.getElementById("state");
const show = document.getElementById("show");
const count = document.getElementById("count");
const none = document.getElementById("none");

let source = null;
let ended = false;
let paused = false;
let held = new Map(); // rows that came while the list stands still, by id
let waiting = 0; // how many events came meanwhile
let anew = false; // whether what stands in the list ends before what is held begins
let unsaid = 0; // how many came since a screen reader was last told

const number = new Intl.NumberFormat("en");
const events = (n) => `${number.format(n)} new ${n === 1 ? "event" : "events"}`;

/* Whether somebody reads: further down, or with the keyboard in the list, or has chosen text. */
function isRead() {
  const chosen = document.getSelection();
  return list.getBoundingClientRect().top < 0
    || (list.contains(document.activeElement) && document.activeElement.matches(":focus-visible"))
    || (!chosen.isCollapsed && list.contains(chosen.anchorNode));
}

const isStill = () => paused || isRead();

function rowOf(each) {
  const template = document.createElement("template");
  template.innerHTML = each.html.trim();
  return template.content.firstElementChild;
}

const ids = () => new Set([...list.children].map((row) => Number(row.dataset.id)));

/* Puts rows into their places, for of two events the later may be heard first. */
function put(rows) {
  if (anew) list.replaceChildren();
  anew = false;
  const known = ids();
  let place = list.firstElementChild;
  for (const each of rows.sort((one, other) => other.id - one.id)) {
    if (known.has(each.id)) continue;
    while (place && Number(place.dataset.id) > each.id) place = place.nextElementSibling;
    const row = rowOf(each);
    row.classList.toggle("new", rows.length <= FEW);
    list.insertBefore(row, place);
  }
  while (list.children.length > MOST) list.lastElementChild.remove();
  none.hidden = list.children.length > 0;
}

function hold(rows) {
  for (const each of rows) held.set(each.id, each);
  if (held.size > MOST) {
    const newest = [...held.keys()].sort((one, other) => other - one).slice(0, MOST);
    held = new Map(newest.map((id) => [id, held.get(id)]));
  }
}

function release() {
  put([...held.values()]);
  held.clear();
  waiting = 0;
  tell();
}

function tell() {
  if (ended) return;
  state.className = "";
  if (source === null || source.readyState !== EventSource.OPEN) {
    state.className = "lost";
    state.textContent = source === null ? "Not connected" : "The connection is lost: trying again";
  } else {
    state.textContent = paused ? "Paused" : waiting > 0 ? "Waits while you read" : "As they come";
  }
  show.hidden = waiting === 0;
  show.textContent = `Show ${events(waiting)}`;
}

function end(said, link) {
  ended = true;
  source?.close();
  state.className = "lost";
  state.textContent = said;
  pause.hidden = true;
  if (link) {
    const a = document.createElement("a");
    a.href = link;
    a.textContent = "Sign in again";
    state.append(" ", a);
  }
  count.textContent = said;
}

function connect() {
  if (ended || source !== null) return;
  source = new EventSource(live.dataset.stream);
  source.addEventListener("open", tell);
  source.addEventListener("error", () => {
    // Closed for good: the answer was none of ours, such as a proxy's.
    if (source.readyState === EventSource.CLOSED) end("The stream has ended: load the page again.");
    else tell();
  });
  source.addEventListener("events", (message) => {
    const news = JSON.parse(message.data);
    const known = ids();
    const fresh = news.rows.filter((each) => !known.has(each.id) && !held.has(each.id));
    const newest = list.firstElementChild ? Number(list.firstElementChild.dataset.id) : 0;
    if (news.begins) {
      // Of what came while nobody listened there may be more than was sent.
      anew = fresh.length > 0 && fresh.length === news.rows.length;
      if (anew) held.clear();
      news.count = fresh.filter((each) => each.id > newest).length;
    }
    if (isStill()) {
      hold(fresh);
      waiting += news.count;
    } else {
      put([...held.values(), ...fresh]);
      held.clear();
      waiting = 0;
    }
    unsaid += news.count;
    tell();
  });
  source.addEventListener("signed-out", () => end("Your session has ended.", "/sign-in"));
  source.addEventListener("refused", (message) => end(`${message.data}: this list stands still.`));
}

function disconnect() {
  source?.close();
  source = null;
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Resume" : "Pause";
  if (paused) tell();
  else release();
});
show.addEventListener("click", () => {
  release();
  scrollTo({ top: 0 });
});
for (const each of ["scroll", "focusout"]) {
  addEventListener(each, () => {
    if (waiting > 0) requestAnimationFrame(() => { if (!isStill()) release(); });
  }, { passive: true });
}
/* A page that nobody sees holds no connection, of which a browser has few. */
document.addEventListener("visibilitychange", () => {
  if (document.hidden) disconnect();
  else connect();
});
addEventListener("pagehide", disconnect);
addEventListener("pageshow", connect);

setInterval(() => {
  if (unsaid > 0 && !paused && !ended) count.textContent = events(unsaid);
  unsaid = 0;
}, SAID_EVERY_MS);

live.hidden = false;
connect();

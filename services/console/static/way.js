// Looks again while something is under way, and changes only what has changed: what is unfolded
// stays so, and the focus stays where it is.

const SOONEST = 2000;
const LATEST = 30000;

const status = document.getElementById("looked");
let pause = SOONEST;

const keyed = (root, key) =>
  [...root.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);

const focusOf = (element) => {
  const active = document.activeElement;
  if (!element.contains(active)) return null;
  const details = active.closest("summary") && active.parentElement;
  if (details) return (root) => keyed(root, details.dataset.key)?.querySelector("summary");
  const place = [...element.querySelectorAll("a")].filter((each) => each.href === active.href).indexOf(active);
  return (root) => [...root.querySelectorAll("a")].filter((each) => each.href === active.href)[place];
};

const replace = (old, fresh) => {
  old.toggleAttribute("data-under-way", fresh.hasAttribute("data-under-way"));
  for (const each of old.querySelectorAll("details[open]")) {
    keyed(fresh, each.dataset.key)?.setAttribute("open", "");
  }
  if (old.innerHTML === fresh.innerHTML) return false;
  const focus = focusOf(old);
  old.replaceChildren(...fresh.childNodes);
  focus?.(old)?.focus({ preventScroll: true });
  return true;
};

const look = async () => {
  const answer = await fetch(location.href, {
    headers: { Accept: "text/html" },
    signal: AbortSignal.timeout(10000),
  });
  if (answer.redirected) return "You are signed out: load the page again.";
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  let changed = false;
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (fresh && replace(old, fresh)) changed = true;
  }
  pause = changed ? SOONEST : Math.min(pause * 1.3, LATEST);
  return null;
};

const goesOn = () => document.querySelector("[data-under-way]") !== null;

const go = async () => {
  if (document.hidden) {
    document.addEventListener("visibilitychange", go, { once: true });
    return;
  }
  let ended = null;
  try {
    ended = await look();
  } catch {
    pause = Math.min(pause * 1.3, LATEST);
  }
  if (ended === null && goesOn()) {
    setTimeout(go, pause);
  } else {
    status.textContent = ended ?? "Nothing is under way any more.";
  }
};

if (goesOn()) {
  status.textContent = "Something is under way: this page looks again by itself.";
  setTimeout(go, pause);
}

// The page as it is now, every ten seconds, for as long as somebody looks.
const EVERY_MS = 10_000;
const place = document.getElementById("state");

async function renew() {
  if (document.hidden || place.contains(document.activeElement)) return;
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (response.redirected) return location.reload();
    if (!response.ok) return;
    const read = new DOMParser().parseFromString(await response.text(), "text/html");
    place.replaceChildren(...read.getElementById("state").childNodes);
  } catch {
    // Away for a moment: what is shown stays, and is asked for again.
  }
}

setInterval(renew, EVERY_MS);

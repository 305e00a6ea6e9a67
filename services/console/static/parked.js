// Says how many events are chosen, and lets nobody act on none; a tick for a whole group stands for
// each of its rows. A group of one event has no such tick.

const form = document.getElementById("shelf");
const said = document.getElementById("chosen");

function look() {
  let count = 0;
  for (const group of form.querySelectorAll("section")) {
    const all = group.querySelector("input[name=group]");
    for (const row of group.querySelectorAll("input[name=row]")) {
      row.disabled = all?.checked ?? false;
      count += row.checked && !row.disabled ? 1 : 0;
    }
    count += all?.checked ? Number(all.dataset.count) : 0;
  }
  for (const button of form.querySelectorAll("button[name=act]")) button.disabled = count === 0;
  if (count === 0) said.textContent = "Choose at least one event.";
  else if (count === 1) said.textContent = "1 event is chosen.";
  else said.textContent = `${count.toLocaleString("en")} events are chosen.`;
}

if (said) {
  form.addEventListener("change", look);
  // A browser that goes back shows the ticks of before.
  addEventListener("pageshow", look);
}

// Says how many events are chosen; a tick for a whole group stands for each of its rows.

const form = document.getElementById("shelf");
const said = document.getElementById("chosen");

function look() {
  let count = 0;
  for (const group of form.querySelectorAll("section")) {
    const all = group.querySelector("input[name=group]");
    for (const row of group.querySelectorAll("input[name=row]")) {
      row.disabled = all.checked;
      count += row.checked && !all.checked ? 1 : 0;
    }
    count += all.checked ? Number(all.dataset.count) : 0;
  }
  said.textContent = count === 1 ? "1 event is chosen." : `${count.toLocaleString("en")} events are chosen.`;
}

if (form) {
  form.addEventListener("change", look);
  // A browser that goes back shows the ticks of before.
  addEventListener("pageshow", look);
}

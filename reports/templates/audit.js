(() => {
  "use strict";
  const table = document.getElementById("_list");
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows];
  const find = document.getElementById("_find"), order = document.getElementById("_order");
  const told = document.getElementById("_told"), heads = [...table.querySelectorAll("th[data-key]")];
  const texts = rows.map(row => row.textContent.toLowerCase());
  document.getElementById("_tools").hidden = false;

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, k) => {
      row.hidden = !words.every(word => texts[k].includes(word));
      shown += !row.hidden;
    });
    told.textContent = shown === rows.length ? `${rows.length} ${rows.length === 1 ? "meter" : "meters"}` : `${shown} of ${rows.length} meters`;
  };

  const value = (row, key) => {
    const cell = row.querySelector(`[data-k="${key}"]`);
    return cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v === "" ? null : Number(cell.dataset.v);
  };

  const sort = (key, up) => {
    const keyed = rows.map((row, k) => [value(row, key), k, row]);
    keyed.sort(([a, m], [b, n]) => {
      if (a === null || b === null) return (a === null) - (b === null) || m - n;
      const less = typeof a === "number" ? a - b : a < b ? -1 : a > b ? 1 : 0;
      return (up ? less : -less) || m - n;
    });
    body.append(...keyed.map(each => each[2]));
    heads.forEach(head => head.dataset.key === key
      ? head.setAttribute("aria-sort", up ? "ascending" : "descending") : head.removeAttribute("aria-sort"));
    const wanted = `${key} ${up ? "up" : "down"}`;
    order.value = [...order.options].some(each => each.value === wanted) ? wanted : "";
  };

  heads.forEach(head => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.append(button);
    button.addEventListener("click", () => sort(head.dataset.key, head.getAttribute("aria-sort") !== "ascending"));
  });
  order.addEventListener("change", () => {
    const [key, way] = order.value.split(" ");
    if (key) sort(key, way === "up");
  });
  find.addEventListener("input", filter);

  const arrive = () => {
    let row = null;
    try { row = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    if (!row || !body.contains(row)) return;
    if (row.hidden) { find.value = ""; filter(); }
    row.scrollIntoView({ block: "center", behavior: "instant" });
  };
  addEventListener("hashchange", arrive);
  filter();
  arrive();
})();

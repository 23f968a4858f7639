"use strict";
/* The table of all records, and each of the first ones opened to its tokens. Whatever is shown goes in as text, never as
   markup. Without this script the first rows stand on the page as they are. */
(() => {
  const PAGE = 25, DASH = "–", FULL = 4;  // nats at which a colour is at its strongest
  const $ = (id) => document.getElementById(id);
  const block = (id) => JSON.parse($(id).textContent);
  const NBSP = "\u00a0";
  let all, n, width, sides, openable, details;

  /* Small pieces of page. */
  const make = (tag, text = "", attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const filled = (tag, parts, attributes = {}) => {
    const made = make(tag, "", attributes);
    made.append(...parts);
    return made;
  };
  const count = (k, one, many = `${one}s`) => `${grouped(k)} ${k === 1 ? one : many}`;

  /* Numbers in the words of the rest of the page. */
  const grouped = (k) => String(k).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const counted = (k) => k < 0 ? DASH : grouped(k);
  const of = (part, whole) => part < 0 ? DASH : `${part} of ${whole}`;
  const score = (x) => {
    if (Number.isNaN(x)) return DASH;
    const size = Math.abs(x);
    const [whole, rest] = x.toFixed(size < 10 ? 3 : size < 100 ? 2 : size < 1000 ? 1 : 0).split(".");
    return grouped(whole) + (rest ? `.${rest}` : "");
  };
  const nats = (x) => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(1)}`;

  /* The columns of the table: what a cell shows and what it is sorted by; NaN and what was not measured come last. */
  const hash = (i) => all.hash.slice(i * width, (i + 1) * width);
  const whole = (i) => all.matched[i] >= 0 && all.matched[i] === all.suffix[i];
  const known = (column) => (i) => column[i] < 0 ? NaN : column[i];
  const columns = () => [
    { key: hash, fill: name },
    { key: (i) => sides[i], fill: (cell, i) => cell.append(all.sides[sides[i]]) },
    { key: (i) => all.matched[i] < 0 ? NaN : all.matched[i] / Math.max(all.suffix[i], 1), fill: given },
    { key: known(all.base), fill: (cell, i) => cell.append(counted(all.base[i])) },
    { key: known(all.hit), fill: (cell, i) => cell.append(of(all.hit[i], all.values[i])) },
    { key: (i) => all.score[i], fill: (cell, i) => cell.append(score(all.score[i])) },
    { key: (i) => -all.score[i], fill: (cell, i) => cell.append(all.shares[all.asHigh[i]]) },
    { key: known(all.copies), fill: (cell, i) => cell.append(counted(all.copies[i])) },
    { key: known(all.tokens), fill: (cell, i) => cell.append(counted(all.tokens[i])) },
    { key: known(all.characters), fill: (cell, i) => cell.append(counted(all.characters[i])) },
  ];

  const name = (cell, i) => {
    cell.setAttribute("scope", "row");
    if (i >= openable) return cell.append(make("code", hash(i)));
    cell.append(filled("button", [make("code", hash(i))], {
      type: "button", class: "openrow", "aria-expanded": "false", "aria-label": `Record ${hash(i)}: tokens`,
    }));
  };

  const given = (cell, i) => {
    const share = make("i", "", { class: "share" });
    share.style.setProperty("--p", `${(100 * Math.max(all.matched[i], 0) / Math.max(all.suffix[i], 1)).toFixed(1)}%`);
    cell.append(share, " ", of(all.matched[i], all.suffix[i]));
    if (whole(i)) cell.append(" ", make("strong", "whole"));
    if (all.recheck[i] === "1") cell.append(" ", make("small", "rechecked"));
  };

  /* Which records, in which order: kept until filters or order change. */
  const came = {
    "": () => true,
    whole,
    part: (i) => all.matched[i] > 0 && !whole(i),
    none: (i) => all.matched[i] === 0,
    values: (i) => all.hit[i] > 0,
  };
  const wanted = () => ({
    side: $("records-set").value, back: $("records-back").value, start: $("records-hash").value.trim().toLowerCase(),
  });
  const picked = ({ side, back, start }) => {
    const fits = came[back], places = [];
    for (let i = 0; i < n; i++) {
      if ((side === "" || sides[i] === Number(side)) && fits(i) && all.hash.startsWith(start, i * width)
        && start.length <= width) places.push(i);
    }
    return places;
  };
  const sorted = (places, keyed, sign) => {
    const keys = new Map(places.map((i) => [i, keyed(i)]));
    const last = (x) => Number.isNaN(x) ? 1 : 0;
    return places.sort((a, b) => {
      const x = keys.get(a), y = keys.get(b);
      return last(x) - last(y) || (x < y ? -sign : x > y ? sign : 0) || a - b;
    });
  };
  let kept = { asked: null, places: [] };
  const answer = (table) => (request, give) => {
    const order = request.order.filter((one) => one.dir !== "");
    const asked = JSON.stringify([wanted(), order.map((one) => [one.column, one.dir])]);
    if (asked !== kept.asked) {
      let places = picked(wanted());
      if (order.length) places = sorted(places, table[order[0].column].key, order[0].dir === "asc" ? 1 : -1);
      kept = { asked, places };
    }
    const rows = kept.places.slice(request.start, request.start + request.length).map((place) => ({ place }));
    give({ draw: request.draw, recordsTotal: n, recordsFiltered: kept.places.length, data: rows });
  };

  /* A record, opened. */
  const changes = (row, shown) => {
    const found = new Float64Array(shown).fill(NaN);
    if (row.change === null) return found;
    const bytes = atob(row.change);
    for (let k = 0; k < Math.min(shown, bytes.length); k++) {
      const step = bytes.charCodeAt(k) << 24 >> 24;
      if (step !== -128) found[k] = step * details.quantum;
    }
    return found;
  };
  const letter = (k) => k < 26 ? String.fromCharCode(65 + k) : k < 52 ? String.fromCharCode(71 + k) : "*";
  const lettersAt = (row, token) => row.spans.flatMap((span, k) => span[1] <= token && token < span[2] ? [k] : []);

  const cellOf = (view, k) => {
    const { row, change, i } = view, place = row.from + k, inside = lettersAt(row, place);
    const back = row.given >= 0 && place >= row.given && place < row.given + all.matched[i];
    const notes = [`token ${place + 1}`, Number.isNaN(change[k]) ? "not measured" : `${nats(change[k])} nats`];
    if (back) notes.push("given back");
    for (const s of inside) notes.push(`in ${letter(s)}, ${details.types[row.spans[s][0]]}`);
    const cell = make("span", "", { class: "token", title: notes.join(", ") });
    cell.classList.toggle("back", back);
    cell.classList.toggle("in", inside.length > 0);
    cell.classList.toggle("minus", change[k] < 0);
    cell.classList.toggle("unknown", Number.isNaN(change[k]));
    if (!Number.isNaN(change[k])) {
      cell.style.setProperty("--d", `${Math.min(100, 100 * Math.abs(change[k]) / FULL).toFixed(0)}%`);
    }
    if (row.pieces) {
      for (const s of inside) if (row.spans[s][1] === place) cell.append(make("sup", letter(s)));
      cell.append(row.pieces[k]);
    } else cell.textContent = inside.length ? letter(inside[0]) : NBSP;
    return cell;
  };

  const part = (view, title, start, end) => {
    if (start >= end) return [];
    const cells = [], numbers = [...view.change.slice(start, end)].filter((x) => !Number.isNaN(x));
    for (let k = start; k < end; k++) cells.push(cellOf(view, k));
    if (view.row.pieces) return [make("h3", title), filled("div", cells, { class: "prose", dir: "auto" })];
    const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
    const label = numbers.length ? `${title}. Change: ${nats(mean)} nats a token on average, at most ${nats(Math.max(...numbers))}` : title;
    return [make("h3", title), filled("div", cells, { class: "tokens", role: "img", "aria-label": label })];
  };

  const tokens = (view) => {
    const { row, shown, i } = view, end = row.from + shown, total = all.tokens[i];
    const out = [];
    if (shown < total) {
      out.push(make("p", `Tokens ${grouped(row.from + 1)} to ${grouped(end)} of ${grouped(total)} are shown.`, { class: "small" }));
    }
    if (row.given < 0) out.push(...part(view, `All ${count(total, "token")}: the record was not cut`, 0, shown));
    else {
      const cut = Math.min(Math.max(row.given - row.from, 0), shown), rest = total - row.given;
      const share = all.matched[i] < 0 ? "" : `; ${all.matched[i] ? `the first ${grouped(all.matched[i])}` : "none"} given back`;
      out.push(...part(view, `Known beginning: ${count(row.given, "token")}`, 0, cut));
      out.push(...part(view, `Rest: ${count(rest, "token")}${share}`, cut, shown));
    }
    if (row.beyond > 0) out.push(make("p", `${count(row.beyond, "character")} after the last token read are not shown.`, { class: "small" }));
    return out.concat(asNumbers(view));
  };

  const asNumbers = ({ row, change }) => {
    if (row.change === null) return [make("p", "The change token by token is not on file.", { class: "small" })];
    const items = [...change].map((x, k) => make("li", `${row.from + k + 1}: ${Number.isNaN(x) ? DASH : nats(x)}`));
    return [filled("details", [make("summary", "The change in nats, token by token"), filled("ol", items, { class: "numbers" })])];
  };

  const table = (caption, heads, rows) => {
    const line = (cells) => filled("tr", cells.map((inside, k) => filled(k ? "td" : "th", [inside], k ? {} : { scope: "row" })));
    const head = filled("thead", [filled("tr", heads.map((text) => make("th", text, { scope: "col" })))]);
    const body = filled("table", [head, filled("tbody", rows.map(line))], { "aria-label": caption });
    return [make("h3", caption), filled("div", [body], { class: "wide", tabindex: "0", role: "group", "aria-label": caption })];
  };

  const values = (row) => {
    if (!row.spans.length) return [];
    const rank = (r, among) => r === null ? "not ranked" : `${r} of ${among}`;
    const rows = row.spans.map(([type, first, end, hit, base, ours, theirs, among, gain], k) => [
      letter(k), details.types[type], ...(row.found ? [row.found[k]] : []),
      first < 0 ? DASH : end - first === 1 ? `${end}` : `${first + 1} to ${end}`,
      hit ? "given back" : "no", base ? "given back" : "no", rank(ours, among), rank(theirs, among), gain === null ? DASH : nats(gain),
    ]);
    const heads = ["Mark", "Type", ...(row.found ? ["Value"] : []), "Tokens", "Greedy decoding", "Base model", "Rank among values of its type",
      "Rank in the base", "Change in nats"];
    return table("Sensitive values, each after the true text before it", heads, rows);
  };

  const written = (row) => {
    if (!row.written.length) return [];
    const rows = row.written.map(({ decoding, characters, matched, run: [at, place, length], text }) => [
      decoding, grouped(characters), grouped(matched), grouped(length),
      length ? `${grouped(at + 1)} / ${grouped(place + 1)}` : DASH,
      ...(text ? [filled("div", [text[0], make("mark", text[1]), text[2]], { class: "prose", dir: "auto" })] : []),
    ]);
    const heads = ["Decoding", "Characters", "First tokens that match the rest", "Longest common run, characters",
      "It begins at, in the continuation / the rest", ...(row.written[0].text ? ["Text, the common run marked"] : [])];
    const more = row.more ? [make("p", `${count(row.more, "more continuation")} on file.`, { class: "small" })] : [];
    return [...table("What the model wrote after the known beginning", heads, rows), ...more];
  };

  const legend = () => {
    const scale = $("records-scale").cloneNode(true);
    scale.removeAttribute("id");
    return scale;
  };

  const opened = (i) => {
    details ??= block("records-opened");
    const row = details.rows[i], shown = Math.max(0, Math.min(details.limit, all.tokens[i] - row.from));
    const view = { row, i, shown, change: changes(row, shown) };
    const facts = [];
    if (row.shortest > 0 && row.shortest < all.tokens[i]) {
      facts.push(`Shortest beginning after which all the rest comes back: ${count(row.shortest, "token")} of ${grouped(all.tokens[i])}.`);
    }
    if (all.base[i] >= 0) facts.push(`The base model gives back ${count(all.base[i], "token")}.`);
    const text = row.whole === undefined ? [] : [filled("div", [row.whole], { class: "prose", dir: "auto" }),
      make("p", "Where the known beginning ends is not on file.", { class: "small" })];
    const parts = [...text, ...tokens(view), legend(), make("p", facts.join(" "), { class: "small" }), ...values(row), ...written(row)];
    return filled("div", parts, { class: "opened", id: `opened-${hash(i)}`, role: "region", "aria-label": `Record ${hash(i)}` });
  };

  const toggle = (live, button) => {
    const row = live.row(button.closest("tr")), open = row.child.isShown();
    if (open) row.child.hide();
    else row.child(opened(row.data().place), "opening").show();
    button.setAttribute("aria-expanded", String(!open));
  };

  /* A link to #record-HASH opens that record. */
  const follow = (live) => {
    const asked = /^#record-([0-9a-f]+)$/.exec(location.hash);
    if (!asked) return;
    $("records-hash").value = asked[1];
    live.draw();
    const button = $("records-table").querySelector(".openrow");
    if (button) toggle(live, button);
    (button ?? $("records")).scrollIntoView({ block: "center" });
  };

  const start = () => {
    all = block("records-data");
    n = all.side.length;
    width = all.hash.length / n;
    openable = Math.min(n, all.openable);
    sides = Uint8Array.from(all.side, Number);
    all.score = Float64Array.from(all.score, (x) => x ?? NaN);
    const ready = columns();
    const live = new DataTable($("records-table"), {
      serverSide: true, ajax: answer(ready), searching: false, autoWidth: false, order: [], pageLength: PAGE, lengthMenu: [25, 100, 500],
      layout: { topStart: "info", topEnd: "pageLength", bottomStart: null, bottomEnd: "paging" },
      columns: ready.map((_, k) => ({
        data: null, defaultContent: "", cellType: k ? "td" : "th", className: k > 1 ? "n" : "", type: "string",
        orderSequence: k > 1 && k !== 6 ? ["desc", "asc", ""] : ["asc", "desc", ""],
      })),
      createdRow: (tr, { place }, _, cells) => {
        tr.classList.toggle("whole", whole(place));
        ready.forEach((column, k) => column.fill(cells[k], place));
      },
      language: {
        info: "_START_ to _END_ of _TOTAL_ records", infoEmpty: "no record", infoFiltered: "(of _MAX_)",
        zeroRecords: "No record fits.", emptyTable: "No record.", lengthMenu: "_MENU_ a page",
        paginate: { first: "«", previous: "‹", next: "›", last: "»" },
        aria: { orderable: ": sort", orderableReverse: ": sort the other way round", orderableRemove: ": back to the first order" },
      },
    });
    $("records-table").addEventListener("click", (event) => {
      const button = event.target.closest(".openrow");
      if (button) toggle(live, button);
    });
    for (const id of ["records-set", "records-back", "records-hash"]) $(id).addEventListener("input", () => live.draw());
    $("records-scroll").classList.add("live");
    for (const name of ["tabindex", "role", "aria-label"]) $("records-scroll").removeAttribute(name);
    $("records-first").textContent = "Records, the most exposed first.";
    $("records-pick").hidden = false;
    addEventListener("hashchange", () => follow(live));
    follow(live);
  };
  requestAnimationFrame(() => setTimeout(start, 0));  // the page is painted first
})();

"use strict";
/* The theme follows the system until somebody chooses; the choice lasts as long as the page is open. */
const theme = document.getElementById("theme");
const darkSystem = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (darkSystem.matches ? "dark" : "light")) === "dark";
const nameTheme = () => { theme.textContent = isDark() ? "Light colours" : "Dark colours"; };
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
darkSystem.addEventListener("change", nameTheme);
nameTheme();
theme.hidden = false;

/* The contents stand open beside the page where there is room, and are folded above it where there is none. */
const contents = document.querySelector(".contents details");
const roomy = matchMedia("(min-width: 75rem)");
if (contents) {
  const unfold = () => { contents.open = roomy.matches; };
  roomy.addEventListener("change", unfold);
  unfold();
}

/* A figure or table inside folded details is reached by its link, and all are printed but the endless tables. */
const reveal = () => {
  const aim = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = aim && aim.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
};
addEventListener("hashchange", reveal);
reveal();
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("main details:not([open], .unprinted)")];
  for (const fold of folded) fold.open = true;
});
addEventListener("afterprint", () => { for (const fold of folded) fold.open = false; });

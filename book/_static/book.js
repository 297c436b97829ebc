// What the theme leaves out. Part of the one script that every page loads.

// From a file, a browser may not read other pages for the search results' excerpts.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// What scrolls sideways can be reached and named by the keyboard and by screen readers.
const SCROLLERS = { pre: "Code", ".pst-scrollable-table-container": "Table", ".formula > div": "Formula" };
const markScrollers = () => {
  for (const [selector, label] of Object.entries(SCROLLERS)) {
    for (const element of document.querySelectorAll(`article ${selector}`)) {
      if (element.scrollWidth > element.clientWidth) {
        Object.assign(element, { tabIndex: 0, role: "group", ariaLabel: `${label}, scrolls sideways` });
      } else {
        for (const attribute of ["tabindex", "role", "aria-label"]) element.removeAttribute(attribute);
      }
    }
  }
};
addEventListener("load", () => setTimeout(markScrollers)); // after the theme's own, which knows no labels
addEventListener("resize", () => setTimeout(markScrollers, 320));
document.addEventListener("toggle", markScrollers, true);

// On paper everything is open.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const details of closed) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
});

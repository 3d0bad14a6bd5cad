// In search results a formula's LaTeX says nothing: leave it out of the excerpts.
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined" || !Search.htmlToText) return;
  const toText = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(".math").forEach((e) => e.replaceWith("…"));
    return toText(page.documentElement.outerHTML, anchor);
  };
});

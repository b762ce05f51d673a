// A click on a head of a table with figures sorts its lines by that column; another turns the order round. Blanks stay last.
for (const head of document.querySelectorAll(".md-typeset table thead th")) {
  head.style.cursor = "pointer";
  head.addEventListener("click", () => {
    const column = [...head.parentElement.children].indexOf(head), body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const text = (line) => line.cells[column].textContent.trim(), number = (line) => parseFloat(text(line).replaceAll(",", ""));
    const inOrder = (a, b) => (isNaN(number(a)) || isNaN(number(b)) ? text(a).localeCompare(text(b)) : number(a) - number(b));
    body.append(...[...body.rows].sort((a, b) => !text(a) - !text(b) || (down ? -1 : 1) * inOrder(a, b)));
  });
}

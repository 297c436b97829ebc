"use strict";
// Keeps what is typed, offers comments again, and saves everything as a table.
const answers = [...document.querySelectorAll("fieldset")];
const shelf = "marks: " + document.title;
const nameOf = (answer) => answer.dataset.code + "/" + answer.dataset.question;

function read(answer) {
  const points = [...answer.querySelectorAll("input")].map((field) => field.value.trim());
  return { points, comment: answer.querySelector("textarea").value.trim(), text: answer.dataset.text };
}

function isMarked(answer) {
  return read(answer).points.every((value) => value !== "");
}

function keep() {
  const all = Object.fromEntries(answers.map((answer) => [nameOf(answer), read(answer)]));
  try { localStorage.setItem(shelf, JSON.stringify(all)); } catch { /* a browser that keeps nothing */ }
  const done = answers.filter(isMarked).length;
  document.getElementById("said").textContent = `${done} of ${answers.length} answers marked`;
}

function remember() {
  let all = {};
  try { all = JSON.parse(localStorage.getItem(shelf)) || {}; } catch { /* nothing was kept */ }
  for (const answer of answers) {
    const kept = all[nameOf(answer)];
    if (!kept || kept.text !== answer.dataset.text) continue;
    answer.querySelectorAll("input").forEach((field, index) => { field.value ||= kept.points[index] || ""; });
    answer.querySelector("textarea").value ||= kept.comment;
  }
}

function offer() {
  const used = [...new Set(answers.map((answer) => read(answer).comment).filter(Boolean))].sort();
  for (const choice of document.querySelectorAll("select")) {
    choice.replaceChildren(choice.options[0], ...used.map((comment) => new Option(comment.slice(0, 80), comment)));
    choice.selectedIndex = 0;
  }
}

function table() {
  const cell = (value) => /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  const rows = answers.filter((answer) => read(answer).points.some(Boolean) || read(answer).comment).map((answer) => {
    const { points, comment, text } = read(answer);
    return [answer.dataset.code, answer.dataset.question, isMarked(answer) ? points.join(" ") : "", comment, text];
  });
  return [["code", "question", "points", "comment", "text"], ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
}

document.addEventListener("change", (event) => {
  if (event.target.matches("select") && event.target.value) {
    const field = event.target.closest("fieldset").querySelector("textarea");
    field.value = [field.value.trim(), event.target.value].filter(Boolean).join("\n");
  }
  offer();
  keep();
});

document.addEventListener("input", keep);

document.getElementById("save").addEventListener("click", () => {
  const wrong = answers.flatMap((answer) => [...answer.querySelectorAll("input")]).find((field) => !field.checkValidity());
  if (wrong) { wrong.reportValidity(); return; }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff" + table() + "\r\n"], { type: "text/csv" }));
  link.download = "marks.csv";
  link.click();
});

remember();
offer();
keep();

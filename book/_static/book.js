// What the theme leaves out. Part of the one script that every page loads.

// What scrolls sideways can be reached and named by the keyboard and by screen readers.
const SCROLLERS = { pre: "Code", ".pst-scrollable-table-container": "Table", ".formula > div": "Formula" };
const markScrollers = () => {
  for (const [selector, label] of Object.entries(SCROLLERS)) {
    for (const element of document.querySelectorAll(`article ${selector}`)) {
      element.classList.remove("tight");
      element.classList.toggle("tight", element.scrollWidth > element.clientWidth); // closer columns may be enough
      if (element.scrollWidth > element.clientWidth) {
        Object.assign(element, { tabIndex: 0, role: "group", ariaLabel: `${label}, scrolls sideways` });
        element.dataset.scrolls = "";
      } else {
        for (const attribute of ["tabindex", "role", "aria-label", "data-scrolls"]) element.removeAttribute(attribute);
      }
    }
  }
};
addEventListener("load", () => setTimeout(markScrollers)); // after the theme's own, which knows no labels
addEventListener("resize", () => setTimeout(markScrollers, 320));
document.addEventListener("toggle", markScrollers, true);

// Copying a cell's code.
const COPY = `<svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.5">
<rect x="8" y="8" width="12" height="12" rx="2"/><path d="M16 8V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h2"/></svg>`;
const copy = async (code) => {
  try {
    await navigator.clipboard.writeText(code.innerText.replace(/\n$/, ""));
    return true;
  } catch { // not over plain http
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
};
for (const code of document.querySelectorAll("div.highlight pre")) {
  const button = document.createElement("button");
  const say = (words) => Object.assign(button, { ariaLabel: words }).setAttribute("data-tooltip", words);
  Object.assign(button, { type: "button", className: "copybtn o-tooltip--left", innerHTML: COPY });
  say("Copy");
  button.addEventListener("click", async () => {
    say(await copy(code) ? "Copied" : "Could not copy");
    button.classList.add("success");
    setTimeout(() => { button.classList.remove("success"); say("Copy"); }, 2000);
  });
  code.after(button);
}

// On paper everything is open, and the cell for a guess, which the page keeps for who has no JavaScript, takes its
// form's place.
let closed = [], cells = [];
addEventListener("beforeprint", () => {
  for (const cell of cells) cell.remove();
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const details of closed) details.open = true;
  cells = [...document.querySelectorAll("form.guess + noscript")].map((instead) => {
    const cell = document.createElement("div");
    cell.innerHTML = instead.textContent;
    instead.after(cell);
    return cell;
  });
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
  for (const cell of cells) cell.remove();
});

// What the reader has done stays on the reader's machine: one record a kind, such as the guesses.
const remembered = (kind) => {
  try {
    return JSON.parse(localStorage.getItem(`efficient-convolutions ${kind}`)) ?? {};
  } catch {
    return {}; // no storage, or not ours
  }
};
const remember = (kind, record) => {
  try {
    localStorage.setItem(`efficient-convolutions ${kind}`, JSON.stringify(record));
  } catch {} // a private window: it lasts as long as the page
};

// Guesses. The sentences are those of mobilenet_edu.exercises.reveal (a test compares them).
const significant = (value, digits) => { // as Python's %.4g: a tie goes to the even digit, no zeros at the end
  const [exact, power] = Math.abs(value).toExponential(40).split("e");
  const kept = exact.slice(0, digits + 1);
  const tie = /^50*$/.test(exact.slice(digits + 1)) && "02468".includes(kept.at(-1));
  const rounded = tie ? Number(`${kept}e${power}`) : Number(Math.abs(value).toPrecision(digits));
  const sign = value < 0 ? "-" : "";
  const [mantissa, exponent] = rounded.toExponential().split("e").map(Number);
  if (rounded && (exponent < -4 || exponent >= digits)) {
    return `${sign}${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  return sign + rounded;
};
const grouped = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");
const toNumber = (text) => { // a number as people write it, such as 1,000 or 1/4 or 13 %; null for anything else
  const found = /^([-+]?)(\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*\/\s*(\d+(?:\.\d+)?))?\s*(?:%|×|[a-zµ][a-zµ ]*)?$/i
    .exec(text.replace("−", "-").trim());
  if (!found) return null;
  const [, sign, above, below] = found;
  const thousands = /^[1-9]\d{0,2}(,\d{3})+(\.|$)/.test(above);
  const plain = thousands ? above.replaceAll(",", "") : above.replace(",", ".");
  const value = Number(sign + plain) / Number(below ?? 1);
  if (!Number.isFinite(value) || Math.abs(value) >= 1e15) return null;
  const whole = !below && /^\d+$/.test(plain);
  const digits = Math.abs(value) < 1e4 ? significant(value, 4) : null;
  const even = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
  return { value, shown: !whole && digits !== null ? digits : (value < 0 ? "-" : "") + grouped(String(even(Math.abs(value)))) };
};
const howClose = (guess, truth) => {
  if (guess.value === truth.value || guess.shown === truth.shown) return "Exactly right.";
  if (!truth.value) return "You expected some; there are none.";
  if (!guess.value) return "You expected none.";
  if (guess.value * truth.value < 0) return "Your guess has the other sign.";
  const factor = Math.max(guess.value / truth.value, truth.value / guess.value);
  if (factor < 1.1) return "Well guessed: less than a tenth apart.";
  const times = factor < 1000 ? significant(factor, 3) : "more than a thousand";
  return `Your guess is ${times} times too ${Math.abs(guess.value) > Math.abs(truth.value) ? "large" : "small"}.`;
};
const answerOf = (truth, unit) => truth === "1" && unit.startsWith("times as ") ? unit.slice(6) : `${truth} ${unit}`.trim();
const reveal = (text, truth, unit) => {
  const answer = answerOf(truth, unit);
  const [guessed, known] = [toNumber(text), toNumber(truth)];
  if (guessed && known) return `You guessed ${guessed.shown}; it is ${answer}. ${howClose(guessed, known)}`;
  const plain = (words) => words.replace(/["'()“”]|[.!]+$/g, "").replace(/[\s,]+/g, " ").trim().toLowerCase();
  if (plain(text) === plain(truth)) return `You guessed ${answer}, and so it is.`;
  return `You guessed ${guessed?.shown ?? text.trim()}; it is ${answer}.`;
};

const answersOf = (key) => [...document.querySelectorAll("[data-answers]")]
  .filter((details) => details.dataset.answers.split(" ").includes(key));
const showGuesses = (form, guesses) => {
  const fields = [...form.elements].filter((field) => field.name in guesses);
  const sentences = [];
  for (const field of fields) {
    const guess = field.value = guesses[field.name];
    const place = document.querySelector(`[data-guess="${field.name}"]`);
    const { truth, unit } = field.dataset;
    place.textContent = guess ? reveal(guess, truth, unit) : `It is ${answerOf(truth, unit)}.`;
    sentences.push(place.textContent);
    for (const details of answersOf(field.name)) details.open = true;
  }
  const section = document.querySelector(`[data-guess="${fields[0].name}"]`).closest("section");
  const status = form.querySelector("[role=status]");
  if (section === form.closest("section")) {
    status.textContent = sentences.join(" ");
  } else { // a bet: settled where the chapter settles it
    const title = section.querySelector("h2, h3").firstChild.textContent;
    status.replaceChildren("The answer comes in ", Object.assign(document.createElement("a"), { href: `#${section.id}`, textContent: title }), ".");
  }
};
for (const form of document.querySelectorAll("form.guess")) {
  const fields = [...form.querySelectorAll("input")];
  const settle = (values) => {
    const guesses = Object.assign(remembered("guesses"), values);
    remember("guesses", guesses);
    showGuesses(form, guesses);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const empty = fields.find((field) => !field.value.trim());
    if (!empty) return settle(Object.fromEntries(fields.map((field) => [field.name, field.value.trim()])));
    form.querySelector("[role=status]").textContent = "Write a guess first: any is better than none. Or let the page show you.";
    empty.focus();
  });
  form.querySelector("[type=button]").addEventListener("click", () => {
    settle(Object.fromEntries(fields.map((field) => [field.name, field.value.trim()])));
  });
  if (fields.every((field) => field.name in remembered("guesses"))) showGuesses(form, remembered("guesses"));
}
// A link into what is folded away opens it.
const openTarget = () => {
  let element = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  while ((element = element?.parentElement?.closest("details"))) element.open = true;
};
addEventListener("hashchange", openTarget);
openTarget();

// Exercises that are answered in the page. Nothing is loaded before a button is pressed.
const canRun = location.protocol.startsWith("http") && typeof WebAssembly === "object" && typeof Worker === "function";
for (const offer of document.querySelectorAll(".try[data-chapter]")) {
  const { chapter, exercise, colab } = offer.dataset;
  const [start, words] = offer.querySelectorAll("button, span");
  if (!canRun) {
    const link = Object.assign(document.createElement("a"), { href: colab, textContent: "Open the chapter in Colab" });
    const why = location.protocol === "file:" ? "A page that is opened from a file cannot run Python. " : "This browser cannot run Python (WebAssembly). ";
    start.parentElement.replaceChildren(why, link, " instead.");
    continue;
  }
  const key = `${chapter}.${exercise}`;
  const kept = () => remembered("answers")[key];
  const keep = (answer) => remember("answers", { ...remembered("answers"), [key]: answer });
  if (exercise && kept()) {
    start.textContent = "Go on with your answer";
    if (kept().solved) words.textContent = "Solved ✓";
  }
  start.addEventListener("click", async () => {
    const { openExercise, openCell } = await import("../try/editor.js");
    await (exercise ? openExercise(offer, kept, keep) : openCell(offer));
  });
}
for (const button of document.querySelectorAll("[data-progress]")) {
  if (!canRun) button.parentElement.remove();
  button.addEventListener("click", async () => (await import("../try/progress.js")).openProgress({ remembered, remember }));
}

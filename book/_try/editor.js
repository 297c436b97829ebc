// An exercise that is answered in the page, and a cell that is changed there. Loaded at the first click.

const HERE = new URL(".", import.meta.url);
const facts = fetch(new URL("exercises.json", HERE)).then((response) => response.json());
document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("editor.css", HERE) }));

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

// Python: one worker for the page, started when it is first needed, ended when it does not answer.
class Python {
  constructor() {
    this.queue = Promise.resolve();
    this.watchers = new Set();
  }

  ask(name, given, seconds = Infinity) { // one at a time
    const asked = this.queue.then(() => this.answer(name, given, seconds));
    this.queue = asked.catch(() => {});
    return asked;
  }

  answer(name, given, seconds) {
    this.worker ??= new Worker(new URL("worker.js", HERE), { type: "module" });
    return new Promise((resolve, reject) => {
      let timer;
      const end = (settle, value, restart) => {
        clearTimeout(timer);
        if (restart) {
          this.worker.terminate();
          this.worker = null;
        }
        settle(value);
      };
      this.worker.onerror = (event) => end(reject, new Error(event.message || "Python could not be loaded."), true);
      this.worker.onmessage = ({ data }) => {
        if (data.arrived) for (const watch of this.watchers) watch(data.arrived);
        else if (data.began) timer = setTimeout(() => end(resolve, null, true), 1000 * seconds);
        else if ("failed" in data) end(reject, new Error(data.failed), true);
        else end(resolve, data.done);
      };
      this.worker.postMessage({ name, given });
    });
  }
}
const python = new Python();

// A text field for code: Tab indents, and Escape lets the next Tab go on to the buttons.
const INDENT = "    ";
const insert = (area, text) => {
  if (!document.execCommand("insertText", false, text)) area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
};
const remove = (area) => {
  if (!document.execCommand("delete")) area.setRangeText("", area.selectionStart, area.selectionEnd, "end");
};
const lineStart = (area, at = area.selectionStart) => area.value.lastIndexOf("\n", at - 1) + 1;
const indentLines = (area, outwards) => {
  const [from, to] = [lineStart(area), area.selectionEnd];
  const lines = area.value.slice(from, to).split("\n");
  const changed = lines.map((line) => (outwards ? line.replace(/^ {1,4}/, "") : line && INDENT + line)).join("\n");
  area.setSelectionRange(from, to);
  if (changed) insert(area, changed);
  else if (from !== to) remove(area);
  area.setSelectionRange(lines.length > 1 ? from : from + changed.length, from + changed.length);
};
const onKey = (area, run) => {
  let leaving = false;
  area.addEventListener("keydown", (event) => {
    const before = area.value.slice(lineStart(area), area.selectionStart);
    const nothingSelected = area.selectionStart === area.selectionEnd;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
    else if (event.key === "Escape") {
      leaving = true;
      return;
    } else if (event.key === "Tab" && leaving) return;
    else if (event.key === "Tab" && event.shiftKey) indentLines(area, true);
    else if (event.key === "Tab" && nothingSelected) insert(area, INDENT.slice(before.length % 4));
    else if (event.key === "Tab") indentLines(area, false);
    else if (event.key === "Enter" && !event.shiftKey) {
      const indent = /^ */.exec(before)[0];
      insert(area, `\n${indent}${/:\s*(#.*)?$/.test(before) ? INDENT : ""}`);
    } else if (event.key === "Backspace" && nothingSelected && before && !before.trim()) {
      area.setSelectionRange(area.selectionStart - ((before.length - 1) % 4) - 1, area.selectionStart);
      remove(area);
    } else {
      if (event.key !== "Shift") leaving = false;
      return;
    }
    event.preventDefault();
    if (event.key !== "Tab") leaving = false;
  });
  area.addEventListener("blur", () => (leaving = false));
};
const replaceAll = (area, text) => { // so that Ctrl-Z brings back what was there
  area.focus();
  area.select();
  insert(area, text);
  area.setSelectionRange(0, 0);
};
const fit = (area) => (area.rows = Math.min(30, Math.max(4, area.value.split("\n").length + 1)));

let count = 0;
const codeField = (label, text, run, changed) => {
  const id = `code-${++count}`;
  const area = element("textarea", { id, value: text, spellcheck: false, autocapitalize: "off", autocomplete: "off", wrap: "off" });
  area.setAttribute("autocorrect", "off");
  area.setAttribute("aria-describedby", `${id}-keys`);
  const keys = element("p", { id: `${id}-keys`, className: "keys" }, "Ctrl-Enter runs it. Tab indents; Escape, then Tab, moves on.");
  area.addEventListener("input", () => {
    fit(area);
    changed(area.value);
  });
  fit(area);
  onKey(area, run);
  return [area, element("label", { htmlFor: id }, label), keys];
};
const button = (words, onclick) => element("button", { type: "button", onclick }, words);

// Progress while Python is on its way.
const waiting = (total) => {
  const bar = element("progress", { max: total, value: 0, ariaLabel: "Python is on its way" });
  const watch = (arrived) => (bar.value = Math.min(arrived, 0.95 * total));
  python.watchers.add(watch);
  return [bar, () => {
    python.watchers.delete(watch);
    bar.remove();
  }];
};
const sorry = (failure) => `Python could not be loaded here (${failure.message}). Open the chapter in Colab instead, or try again.`;

const runner = (output, seconds, late) => {
  let busy = false;
  return async (chapter, name, given) => {
    if (busy) return null;
    busy = true;
    const { bytes } = await facts;
    const [bar, arrived] = waiting(bytes);
    output.before(bar);
    output.textContent = "One moment …";
    output.dataset.outcome = "";
    try {
      await python.ask("prepare", [chapter]);
      arrived();
      const result = await python.ask(name, given, seconds);
      output.textContent = result === null ? late : result.text ?? result;
      return result ?? { outcome: "timed out" };
    } catch (failure) {
      output.textContent = sorry(failure);
      return null;
    } finally {
      arrived();
      busy = false;
    }
  };
};

export const openExercise = async (offer, kept, keep) => {
  const section = offer.closest("section");
  const [answerCell, checkCell] = section.querySelectorAll(":scope > div.cell.tag_exercise");
  const stub = answerCell.querySelector("pre").textContent.trimEnd() + "\n";
  const { chapter, exercise } = offer.dataset;
  const { chapters } = await facts;
  const { imports, exercises } = chapters[chapter];
  const { seconds } = exercises[exercise];
  const output = element("pre", { className: "verdict" });
  output.setAttribute("role", "status");
  const late = `Timed out after ${seconds} seconds. Does a loop never end, or run far too often?`;
  const go = runner(output, seconds, late);
  const check = async () => {
    const text = area.value;
    const result = await go(chapter, "check", [chapter, exercise, text, imports]);
    if (!result) return;
    output.dataset.outcome = result.outcome;
    keep({ text, solved: result.outcome === "correct" || Boolean(kept()?.solved) });
  };
  const [area, label, keys] = codeField("Your answer", kept()?.text ?? stub, check, (text) => keep({ ...kept(), text }));
  const hints = [...section.querySelectorAll(":scope > details")];
  const hint = button("Hint", () => {
    const next = hints.find((details) => !details.open) ?? hints.at(-1);
    next.open = true;
    next.querySelector("summary").focus();
  });
  const buttons = element("div", { className: "buttons" }, button("Check", check), hint, button("Reset", () => replaceAll(area, stub)));
  const solution = section.querySelector(':scope > p a[href*="D_solutions"]');
  if (solution) buttons.append(Object.assign(solution.cloneNode(true), { id: "" }));
  offer.replaceChildren(label, area, keys, buttons, output);
  for (const cell of [answerCell, checkCell]) cell.hidden = true;
  area.focus();
  python.ask("prepare", [chapter]).catch(() => {}); // on its way while the reader thinks
};

export const openCell = async (offer) => {
  const cell = offer.previousElementSibling;
  const { chapters } = await facts;
  const { chapter } = offer.dataset;
  const { before } = chapters[chapter].cells[Number(offer.dataset.cell)];
  const original = cell.querySelector("div.cell_input pre").textContent.trimEnd() + "\n";
  const output = element("pre", { className: "verdict" });
  output.setAttribute("role", "status");
  const go = runner(output, 5, "Stopped after 5 seconds. Does a loop never end?");
  const run = () => go(chapter, "run", [area.value, before]);
  const [area, label, keys] = codeField("The cell, to be changed", original, run, () => {});
  const buttons = element("div", { className: "buttons" }, button("Run", run), button("Reset", () => replaceAll(area, original)));
  offer.replaceChildren(label, area, keys, buttons, output);
  cell.querySelector("div.cell_input").hidden = true;
  area.focus();
};

// "Your progress": what is solved, on this machine alone. One file takes it along.

const HERE = new URL(".", import.meta.url);
const KINDS = ["guesses", "answers"];
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const button = (words, onclick) => element("button", { type: "button", onclick }, words);

const exported = (store) => {
  const text = JSON.stringify({ book: "efficient-convolutions", ...Object.fromEntries(KINDS.map((kind) => [kind, store.remembered(kind)])) }, null, 1);
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "efficient-convolutions.json" });
  link.click();
  URL.revokeObjectURL(link.href);
};
const isRecord = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const imported = async (store, file) => {
  let read;
  try {
    read = JSON.parse(await file.text());
  } catch {
    return "This file is none that the book has written: it is not JSON.";
  }
  if (read?.book !== "efficient-convolutions" || !KINDS.every((kind) => isRecord(read[kind]))) {
    return "This file is none that the book has written.";
  }
  const guesses = Object.entries(read.guesses).filter(([, guess]) => typeof guess === "string");
  const answers = Object.entries(read.answers).filter(([, answer]) => typeof answer?.text === "string");
  store.remember("guesses", { ...store.remembered("guesses"), ...Object.fromEntries(guesses) });
  store.remember("answers", {
    ...store.remembered("answers"),
    ...Object.fromEntries(answers.map(([key, { text, solved }]) => [key, { text, solved: solved === true }])),
  });
  return `Read: ${answers.length} answers and ${guesses.length} guesses. Pages that are open show them when they are loaded again.`;
};

export const openProgress = async (store) => {
  const { chapters } = await (await fetch(new URL("exercises.json", HERE))).json();
  document.head.append(element("link", { rel: "stylesheet", href: new URL("editor.css", HERE) }));
  const list = element("div");
  const status = element("p");
  status.setAttribute("role", "status");
  const draw = () => {
    const answers = store.remembered("answers");
    list.replaceChildren();
    for (const [chapter, { title, page, exercises }] of Object.entries(chapters)) {
      const keys = Object.keys(exercises);
      const solved = keys.filter((key) => answers[`${chapter}.${key}`]?.solved).length;
      const items = keys.map((key) => {
        const kept = answers[`${chapter}.${key}`];
        const link = element("a", { href: new URL(`../${page}#${exercises[key].anchor}`, HERE) }, exercises[key].title);
        return element("li", {}, link, kept?.solved ? ": solved ✓" : kept ? ": begun" : "");
      });
      list.append(element("h3", {}, `${Number(chapter.slice(2))}. ${title}: ${solved} of ${keys.length}`), element("ul", {}, ...items));
    }
  };
  draw();
  const file = element("input", { type: "file", accept: "application/json", hidden: true, ariaLabel: "File with your progress" });
  file.onchange = async () => {
    status.textContent = await imported(store, file.files[0]);
    file.value = "";
    draw();
  };
  let sure = false;
  const clear = button("Clear", () => {
    if (sure) {
      for (const kind of KINDS) store.remember(kind, {});
      draw();
    }
    status.textContent = sure ? "All guesses and answers are gone from this machine." : "This deletes all guesses and answers. Press once more if you are sure.";
    sure = !sure;
  });
  const dialog = element("dialog", { className: "your-progress" }, element("h2", { id: "your-progress" }, "Your progress"));
  dialog.setAttribute("aria-labelledby", "your-progress");
  const buttons = [button("Export", () => exported(store)), button("Import", () => file.click()), clear, button("Close", () => dialog.close())];
  dialog.append(element("p", {}, "It is kept in this browser and sent nowhere."), list, element("div", { className: "buttons" }, ...buttons), file, status);
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
};

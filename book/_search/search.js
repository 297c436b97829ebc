// Finds places of the book (BOOK, in places.js): sections, glossary entries, objects of the API.

const PLACES_ADDRESS = new URL("places.js", document.currentScript.src);

// What learners type, and what the book says. Each side is tried.
const SAME = [
  ["1x1", "pointwise"], ["mac", "multiply accumulate", "mult add"], ["flop", "floating point operation"],
  ["parameter", "weight", "params", "model size", "big model", "large model"], ["batchnorm", "batch norm", "bn"], ["int8", "quantize"], ["latency", "time", "speed"],
  ["pretrained", "checkpoint", "someone else weight"], ["fine tune", "finetune", "transfer"], ["cnn", "convolutional network"],
  ["inverted residual", "bottleneck"], ["downsample", "stride"], ["activation function", "activation", "relu"], ["depth wise", "depthwise"],
  ["point wise", "pointwise"], ["alpha", "α", "width multiplier"], ["rho", "ρ", "resolution multiplier"], ["memory access", "byte", "memory"],
  ["kernel", "filter"], ["feature map", "map"], ["accuracy", "per cent right"], ["compress", "prune", "quantize"], ["colab", "open in colab"],
  ["squeeze excite", "squeeze and excitation"], ["phone", "mobile", "processor", "raspberry pi", "microcontroller", "embedded device", "edge device"], ["homework", "assignment"], ["grader", "grade"],
  ["overfit", "test set"], ["knowledge distillation", "distil"], ["answer", "solution"], ["convolution", "conv"], ["tflite", "tensorflow lite", "litert"], ["slow", "fast", "speed"],
];
const STOP = new Set("a an and are as at be by can do does for from has have how i in into is it its many me mean much my not of on one or so than that the there these this to use using vs versus was what when where which who why will with you your".split(" "));

// The stem of a word, American or British: quantisation, quantized and quantize are one.
const stem = (word) => {
  if (word.length < 4 || /\d/.test(word)) return word.replace(/^([a-z]{2,}\d*)s$/, "$1");
  return word
    .replace(/is(ation|e|ed|es|ing|er)(s?)$/, "iz$1$2").replace(/our(s|ed)?$/, "or$1")
    .replace(/([^e])at(e[sd]?|ing|ions?)$/, (ending, before, rest, at) => (at > 1 ? before : ending))
    .replace(/ies$/, "y").replace(/([^su])s$/, "$1").replace(/(ion)al$/, "$1").replace(/ations?$|ing$|ed$|ers?$/, (ending, at) => (at > 2 ? "" : ending))
    .replace(/e$/, "").replace(/([^aeiou])\1$/, "$1");
};
// The words of a text as [stem, start, end].
const WORD = /[\p{L}\p{N}_]+(?:[.,]\d+)*/gu;
const read = (text) => [...text.toLowerCase().normalize("NFC").replace(/(\d)\s?[×x]\s?(?=\d)/g, (all, digit) => digit + "x".padEnd(all.length - 1, "x")).matchAll(WORD)]
  .map(({ 0: word, index }) => [stem(word.replace(/^(\d+)x+(\d+)$/, "$1x$2").replace(/(\d),(?=\d{3})/g, "$1")), index, index + word.length]);
const stems = (text) => read(text).flatMap(([word]) => (word.includes("_") ? [word, ...word.split("_").filter(Boolean).map(stem)] : [word]));

let PLACES = []; // until something is looked for
const loadPlaces = () => new Promise((done, failed) => {
  const script = Object.assign(document.createElement("script"), { src: PLACES_ADDRESS, onload: done, onerror: failed });
  document.head.append(script);
}).then(() => {
  PLACES = BOOK.places.map(([page, kind, anchor, title, text], order) => ({
    address: BOOK.pages[page][0], pageTitle: BOOK.pages[page][1], page, kind, anchor, title, text, order,
    inTitle: stems(title), inPage: stems(BOOK.pages[page][1]), inText: stems(text),
  }));
  for (const place of PLACES) place.set = new Set([...place.inTitle, ...place.inText]);
});
const SYNONYMS = SAME.map((group) => group.map((phrase) => stems(phrase)));

// How often the words of a phrase follow each other in a text of stems. The word being typed may be unfinished.
const count = (words, phrase, unfinished) => {
  const last = phrase.length - 1;
  const fits = (word, at) => word === phrase[at] || (unfinished && at === last && phrase[at].length > 3 && word?.startsWith(phrase[at]));
  let found = 0;
  for (let start = 0; start + last < words.length; start += 1) {
    if (phrase.every((_, at) => fits(words[start + at], at))) found += 1;
  }
  return found;
};
// How many letters must be added, left out, changed or swapped with the next to make one word of another.
const distance = (a, b) => {
  let before, last = [...Array(b.length + 1).keys()];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      row[j] = Math.min(row[j - 1] + 1, last[j] + 1, last[j - 1] + (a[i - 1] !== b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length];
};
// The query without the long words that the book neither says nor begins a word with; or with what they nearly are.
const timesSaid = () => {
  const times = new Map();
  for (const { title, text } of PLACES) {
    for (const word of `${title} ${text}`.toLowerCase().match(WORD) ?? []) times.set(word, (times.get(word) ?? 0) + 1);
  }
  return times;
};
let said; // how often each word, once one is in doubt
const mendedWord = (word) => {
  const [root] = stems(word), plain = word.toLowerCase();
  if (word.length < 5 || /[\d_]/.test(word) || STOP.has(plain) || SYNONYMS.flat(2).includes(root)) return word;
  if (PLACES.some(({ set }) => set.has(root))) return word;
  const words = [...(said ??= timesSaid())], most = word.length < 8 ? 1 : 2;
  if (words.some(([other]) => other.startsWith(plain))) return word;
  const near = words.filter(([other]) => other[0] === plain[0] && Math.abs(other.length - plain.length) <= most)
    .map(([other, times]) => [distance(plain, other), -times, other]).filter(([far]) => far <= most);
  return near.sort((a, b) => a[0] - b[0] || a[1] - b[1])[0]?.[2] ?? "";
};
const mended = (query) => query.replace(WORD, mendedWord).replace(/\s+/g, " ").trim();
// The query as a list of ideas, each a list of phrases that say it.
const ideasOf = (query) => {
  const all = stems(query);
  const words = all.filter((word, at) => !STOP.has(word) && !STOP.has(read(query)[at]?.[0]));
  const kept = words.length ? words : all;
  const ideas = [];
  for (let at = 0; at < kept.length;) {
    const same = SYNONYMS.flatMap((group) => group.filter((phrase) => phrase.every((word, i) => kept[at + i] === word)).map((phrase) => [phrase, group]))
      .sort((a, b) => b[0].length - a[0].length)[0];
    const phrase = same ? same[0] : [kept[at]];
    ideas.push([phrase, ...(same ? same[1].filter((other) => other !== same[0]) : [])]);
    at += phrase.length;
  }
  return { ideas, kept };
};
const KIND = { glossary: 1.1, API: 0.3 };
const PAGE = [[/references/, 0.3], [/_solutions/, 0.35], [/_teaching/, 0.5], [/_api/, 0.45], [/genindex|_modules/, 0]];
const weightOf = (place) => place.anchor === "solutions" ? 1 : (KIND[place.kind] ?? 1) * (/^(Exercise|Think and write)/.test(place.title) ? 0.5 : 1) * (PAGE.find(([pattern]) => pattern.test(place.address))?.[1] ?? 1);
const find = (query) => {
  const { ideas, kept } = ideasOf(query);
  if (!kept.length) return [];
  const rare = ideas.map((idea) => Math.log(1 + PLACES.length / (1 + PLACES.filter((place) => idea[0].every((word) => place.set.has(word))).length)));
  const found = [];
  for (const place of PLACES) {
    let score = 0, missing = 0;
    ideas.forEach((idea, which) => {
      const worth = idea.map((phrase, other) => {
        const unfinished = which === ideas.length - 1;
        const inTitle = count(place.inTitle, phrase, unfinished), inPage = count(place.inPage, phrase, unfinished), inText = count(place.inText, phrase, unfinished);
        const whole = inTitle && place.inTitle.length === phrase.length ? 4 : 0;
        return (other ? 0.6 : 1) * (6 * Math.min(inTitle, 1) + whole + 2 * Math.min(inPage, 1) + 1.5 * Math.log2(1 + inText));
      });
      const best = Math.max(...worth);
      if (best) score += best * rare[which]; else missing += 1;
    });
    if (!score) continue;
    if (kept.length > 1) score *= 1 + count(place.inTitle, kept) + 0.5 * Math.min(2, count(place.inText, kept));
    found.push({ place, score: score * weightOf(place) * 0.3 ** missing });
  }
  found.sort((a, b) => b.score - a.score || a.place.order - b.place.order);
  const seen = new Map(); // the second section of a page waits until other pages have had their turn
  for (const each of found) {
    const key = each.place.kind || each.place.address, before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    each.score *= 0.7 ** before;
  }
  return found.sort((a, b) => b.score - a.score).slice(0, 20).map(({ place }) => place);
};

// The sentence that says most of it, its words marked.
const sentenceOf = (place, query) => {
  const wanted = new Set(ideasOf(query).ideas.flat(2));
  const isWanted = (word) => wanted.has(word) || word.split("_").some((part) => wanted.has(stem(part)));
  const sentences = place.text.split(/\n|(?<=[.!?:]["”)]?)\s+(?=[\p{Lu}“"(])/u).filter((sentence) => sentence.length > 12);
  const scored = sentences.map((sentence) => [new Set(read(sentence).filter(([word]) => isWanted(word)).map(([word]) => word)).size, sentence]);
  const [, sentence] = scored.reduce((best, each) => (each[0] > best[0] ? each : best), [0, sentences[0] ?? ""]);
  return { sentence, marks: read(sentence).filter(([word]) => isWanted(word)) };
};
const LONGEST = 260;
const excerpt = (place, query) => {
  const { sentence, marks } = sentenceOf(place, query);
  const first = marks[0]?.[1] ?? 0;
  const start = sentence.length > LONGEST && first > LONGEST / 2 ? sentence.lastIndexOf(" ", first - 60) + 1 : 0;
  const end = sentence.length - start > LONGEST ? sentence.lastIndexOf(" ", start + LONGEST) : sentence.length;
  const paragraph = Object.assign(document.createElement("p"), { className: "context" });
  let at = start;
  paragraph.append(start ? "… " : "");
  for (const [, from, to] of marks.filter(([, from, to]) => from >= start && to <= end)) {
    paragraph.append(sentence.slice(at, from), Object.assign(document.createElement("mark"), { textContent: sentence.slice(from, to) }));
    at = to;
  }
  paragraph.append(sentence.slice(at, end), end < sentence.length ? " …" : "");
  return paragraph;
};
// The browser shows where the sentence stands, if it can: its first words are part of the address.
const addressOf = (place, query) => {
  const [start] = /^[\p{L}\p{N} ,.’'-]{12,60}(?=\s|$)/u.exec(sentenceOf(place, query).sentence) ?? [];
  return `${place.address}#${place.anchor}${start ? `:~:text=${encodeURIComponent(start.trim()).replaceAll("-", "%2D")}` : ""}`;
};

const [field, status, list] = ["query", "found", "search-results"].map((id) => document.getElementById(id));
const KINDS = { glossary: "Glossary", API: "API" };
const show = (typed) => {
  const asked = typed.replace(/\s+/g, " ").trim(), query = mended(asked) || asked, found = find(query);
  const doubt = query === asked ? "" : `Nothing in the book says “${asked}”. `;
  list.replaceChildren(...found.map((place) => {
    const item = document.createElement("li");
    item.append(Object.assign(document.createElement("a"), { href: addressOf(place, query), textContent: place.title }));
    if (KINDS[place.kind]) item.append(" ", Object.assign(document.createElement("span"), { className: "kind", textContent: KINDS[place.kind] }));
    if (place.title !== place.pageTitle) item.append(Object.assign(document.createElement("p"), { className: "where", textContent: place.pageTitle }));
    item.append(excerpt(place, query));
    return item;
  }));
  status.textContent = !query ? "" : found.length ? `${doubt}${found.length === 20 ? "The best 20" : found.length} ${found.length === 1 ? "place" : "places"} for “${query}”` : `Nothing in the book says “${query}”. Try fewer or other words.`;
};
let loading;
const search = () => {
  if (PLACES.length || !field.value.trim()) show(field.value);
  else (loading ??= loadPlaces()).then(() => show(field.value));
};
field.value = new URLSearchParams(location.search).get("q") ?? "";
search();
field.addEventListener("input", search);
field.form.addEventListener("submit", (event) => {
  event.preventDefault();
  history.replaceState(null, "", `?q=${encodeURIComponent(field.value)}`);
  search();
});
if (!field.value) field.focus();

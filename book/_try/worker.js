// Python for the pages, in a thread of its own, so that a page can end what does not end by itself.
import { loadPyodide } from "./pyodide.mjs";

// How far the download is: bytes as they arrive, of all that is fetched here.
const fetchAll = self.fetch;
let arrived = 0;
self.fetch = async (...request) => {
  const response = await fetchAll(...request);
  if (!response.ok || !response.body) return response;
  const counter = new TransformStream({
    transform(chunk, controller) {
      arrived += chunk.byteLength;
      postMessage({ arrived });
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(counter), { status: response.status, headers: response.headers });
};

const start = async () => {
  const read = async (name, how) => {
    const response = await fetch(new URL(name, import.meta.url));
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return response[how]();
  };
  const [python, book, page] = await Promise.all([
    loadPyodide({ indexURL: new URL(".", import.meta.url).href }),
    read("mobilenet_edu.zip", "arrayBuffer"),
    read("page.py", "text"),
  ]);
  python.unpackArchive(book, "zip", { extractDir: "/book" });
  python.runPython("import sys; sys.path.insert(0, '/book')");
  python.FS.writeFile("/book/page.py", page);
  return python.pyimport("page");
};

const page = start();
onmessage = async ({ data: { name, given } }) => {
  try {
    const functions = await page;
    if (name === "prepare") return postMessage({ done: functions.prepare(given[0]) });
    postMessage({ began: true });
    const result = functions[name].callKwargs(...given.map((value) => (Array.isArray(value) ? [...value] : value)), {});
    postMessage({ done: result?.toJs ? result.toJs({ dict_converter: Object.fromEntries }) : result });
  } catch (error) {
    postMessage({ failed: String(error.message ?? error) });
  }
};

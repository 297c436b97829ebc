(() => {
  // Every drawing that no script has taken charge of yet: there may be several on a page.
  for (const figure of document.querySelectorAll(".mobilenet-splitting:not([data-ready])")) {
    figure.dataset.ready = "";
    const states = JSON.parse(figure.dataset.states);
    const [all, one] = [(query) => [...figure.querySelectorAll(query)], (query) => figure.querySelector(query)];
    const [slider, output, play] = [one("input"), one("output"), one("[data-go=play]")];
    const split = states.findIndex((state) => state.stage === "split");
    const cells = all("[data-key]");
    let timer = 0;

    const times = (cell) => (cell.dataset.from ?? "").split(" ").filter(Boolean).map(Number);
    const hasNumber = (cell, now) => {
      const from = times(cell);
      return !from.length || now >= from.at(-1) || (now >= from[0] && now < Number(cell.dataset.until));
    };
    const show = (now) => {
      const state = states[now];
      slider.value = now;
      slider.setAttribute("aria-valuetext", state.says);
      output.textContent = state.says;
      figure.dataset.stage = state.stage;
      for (const cell of cells) {
        cell.classList.toggle("lit", state.lit.includes(cell.dataset.key));
        cell.classList.toggle("seen", state.seen.includes(cell.dataset.key));
        cell.classList.toggle("later", !hasNumber(cell, now));
      }
      for (const kernel of all("[data-kernel]")) kernel.classList.toggle("away", Number(kernel.dataset.kernel) !== state.kernel);
      for (const count of all("[data-count]")) count.textContent = state[count.dataset.count];
      for (const bar of all("[data-bar]")) bar.setAttribute("width", state[bar.dataset.bar] * bar.dataset.scale);
    };
    const stop = () => {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
      output.setAttribute("aria-live", "polite");
    };
    const start = (from) => {
      stop();
      play.textContent = "Pause";
      output.setAttribute("aria-live", "off"); // twice a second is too much to be read aloud
      show(from);
      timer = setInterval(() => {
        const next = Number(slider.value) + 1;
        if (next === states.length - 1) stop();
        show(next);
      }, 600);
    };
    const step = (by) => {
      stop();
      show(Math.min(states.length - 1, Math.max(0, Number(slider.value) + by)));
    };
    const go = {
      play: () => (timer ? stop() : start(Number(slider.value) === states.length - 1 ? 0 : Number(slider.value))),
      back: () => step(-1),
      on: () => step(Number(slider.value) === states.length - 1 ? -states.length : 1), // from the end to the start
      split: () => start(split),
    };

    for (const button of all("button")) button.addEventListener("click", go[button.dataset.go]);
    slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
    for (const cell of all("[data-key^=output]")) {
      cell.addEventListener("click", () => { // to the moment that makes this number, before the split or after it
        stop();
        show(times(cell)[figure.dataset.stage === "split" ? 1 : 0]);
      });
    }
    figure.addEventListener("keydown", ({ key }) => key === "Escape" && stop());
    let before = 0;
    addEventListener("beforeprint", () => { before = Number(slider.value); stop(); show(states.length - 1); });
    addEventListener("afterprint", () => show(before));
    one(":scope > div").hidden = false;
    show(states.length - 1);
  }
})();

(() => {
  const withCommas = (number) => number.toLocaleString("en-GB");

  // Decimal notation of numerator / denominator, halves rounded up, by whole numbers as in explorers.py.
  const fixed = (numerator, denominator, digits) => {
    const scale = 10 ** digits;
    const scaled = Math.floor((2 * scale * numerator + denominator) / (2 * denominator));
    return `${Math.floor(scaled / scale)}.${String(scaled % scale).padStart(digits, "0")}`;
  };

  const gcd = (a, b) => (b ? gcd(b, a % b) : a);

  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const round = (number, digits = 1) => Number(number.toFixed(digits));

  // The axes of the curve, and the floor of the network, as in _explorer_pictures.py.
  const [BAR, LEFT, RIGHT, TOP, BOTTOM, FLOOR, PIXEL] = [440, 40, 470, 118, 218, 236, 0.8];
  const onCurve = (N, K) => ({
    cx: round(LEFT + ((RIGHT - LEFT) * Math.log2(Math.min(N, 2048))) / 11),
    cy: round(BOTTOM - ((BOTTOM - TOP) * (1 / N + 1 / K ** 2)) / 2),
  });

  // Every layer with weights, from the table and the three choices.
  const layersOf = ({ width_multiplier, resolution, num_classes }, table) => {
    const channels = [...table.channels[Math.round(100 * width_multiplier)], num_classes];
    return table.kinds.map((kind, at) => {
      const [M, N, K, side] = [at ? channels[at - 1] : 3, channels[at], table.kernels[at], table.sides[resolution][at]];
      const weights = K * K * N * (kind === "depthwise" ? 1 : M);
      const params = weights + (kind === "classifier" ? 1 : 2) * N;
      return { name: table.names[at], kind, M, N, K, side, macs: weights * side * side, params, outputs: N * side * side };
    });
  };

  const drawNetwork = (layers, resolution, chosen) => {
    const image = round(PIXEL * resolution);
    const shapes = { image: { y: round(FLOOR - image), height: image }, input: { y: round(FLOOR - image - 4) } };
    const sizes = { input: resolution, answers: `${withCommas(layers.at(-1).N)} classes` };
    let [left, step] = [12, 0];
    layers.forEach(({ kind, M, N, side }, at) => {
      const width = round(4 + 0.027 * (kind === "classifier" ? M : N), 2);
      const height = round(Math.max(PIXEL * side, 3));
      shapes[`layer-${at + 1}`] = { x: round(left, 2), y: round(FLOOR - height), width, height };
      if (side !== (at ? layers[at - 1].side : resolution) && kind !== "classifier") {
        shapes[`size-${step}`] = { x: round(left, 2), y: round(FLOOR - height - 4) };
        sizes[`size-${step}`] = side;
        step += 1;
      }
      left += width + 1;
    });
    const end = shapes[`layer-${layers.length}`];
    shapes.answers = { x: round(end.x + end.width) };
    for (let block = 0; 2 * block + 3 < layers.length; block += 2) {
      const [first, last] = [shapes[`layer-${2 * block + 2}`], shapes[`layer-${2 * block + 3}`]];
      shapes[`block-${block}`] = { x: round((first.x + last.x + last.width) / 2) };
    }
    if (chosen) shapes.chosen = shapes[`layer-${chosen}`];
    return { shapes, sizes };
  };

  // Each gives what is said, and where the parts of the drawing stand.
  const calculators = {
    layer({ in_channels: M, out_channels: N, kernel_size: K, map_size: F }, table) {
      const weights = { standard: K * K * M * N, depthwise: K * K * M, pointwise: M * N };
      weights.separable = weights.depthwise + weights.pointwise;
      const results = {};
      for (const [layer, count] of Object.entries(weights)) {
        results[`${layer}-macs`] = withCommas(count * F * F);
        results[`${layer}-params`] = withCommas(count);
      }
      const common = gcd(K * K + N, K * K * N);
      const [over, under] = [(K * K + N) / common, (K * K * N) / common];
      const fraction = under === 1 ? over : `${over}/${under}`;
      const factor = over <= under ? `${fixed(under, over, 2)} times fewer` : `${fixed(over, under, 2)} times more`;
      results.summary =
        `separable / standard = 1/${N} + 1/${K * K} = ${fraction} = ${fixed(over, under, 4)}: ` +
        `the separable layer needs ${factor} MACs.`;
      const scale = BAR / Math.max(weights.standard, weights.separable);
      const limit = onCurve(Infinity, K).cy;
      const shapes = {
        standard: { x: 20, width: round(weights.standard * scale) },
        depthwise: { x: 20, width: round(weights.depthwise * scale) },
        pointwise: { x: round(20 + weights.depthwise * scale), width: round(weights.pointwise * scale) },
        curve: { d: table.curves[K] },
        limit: { y1: limit, y2: limit },
        dot: onCurve(N, K),
      };
      return { results, shapes };
    },

    network(chosen, table) {
      const { resolution, budget_macs, budget_params } = chosen;
      const layers = layersOf(chosen, table);
      const [largest, together] = ((outputs) => [Math.max(...outputs), sum(outputs)])(
        layers.slice(0, -1).map((layer) => layer.outputs));
      const results = {};
      for (const unit of ["macs", "params"]) {
        const all = sum(layers.map((layer) => layer[unit]));
        for (const kind of ["standard", "depthwise", "pointwise", "classifier", "all"]) {
          const number = sum(layers.filter((layer) => kind === "all" || layer.kind === kind).map((layer) => layer[unit]));
          results[`${kind}-${unit}`] = withCommas(number);
          results[`${kind}-${unit}-share`] = `${fixed(100 * number, all, 2)} %`;
        }
      }
      const against = (unit, budget, name) => {
        const number = sum(layers.map((layer) => layer[unit]));
        const verdict = number <= budget * 1e6 ? "within" : "over";
        return `${withCommas(number)} ${name}, ${verdict} the budget of ${withCommas(budget)} million`;
      };
      results.summary =
        `${against("macs", budget_macs, "MACs")}; ${against("params", budget_params, "parameters")}. ` +
        `Maps in float32: ${fixed(4 * together, 1e6, 2)} MB for the outputs of all convolutions together, ` +
        `${fixed(4 * largest, 1e6, 2)} MB for the largest one.`;
      const { shapes, sizes } = drawNetwork(layers, resolution);
      return { results: { ...results, ...sizes }, shapes };
    },

    two_slopes({ w1, w2, ...filter }, { slopes, nearest, colours }) {
      const taps = Object.values(filter);
      const signed = (value) => String(round(value, 4) || 0).replace("-", "−");
      const [results, shapes, off] = [{}, {}, {}];
      for (const [slope, weight] of [["x", w1], ["y", w2]]) {
        off[slope] = sum(taps.map((tap, place) => (weight * tap - slopes[slope][place]) ** 2));
        taps.forEach((tap, place) => {
          const value = weight * tap;
          results[`${slope}-${place}`] = signed(value);
          shapes[`${slope}-${place}`] = { fill: colours[Number(value < 0)], "fill-opacity": round(Math.min(Math.abs(value), 3) / 4, 3) };
        });
      }
      const inSixteenths = (square) => fixed(256 * square, 256, 2); // quarters times quarters, squared
      const both = off.x + off.y;
      const reached = both <= nearest + 0.05 ? `This is as near as one filter gets: ${nearest}.` : `No filter gets below ${nearest}.`;
      results.summary =
        `Distance ${inSixteenths(off.x)} from the slope in x, ${inSixteenths(off.y)} from the slope in y, ` +
        `${inSixteenths(both)} together. ${reached}`;
      return { results, shapes };
    },

    roofline({ batch_size, bytes_per_element }, { layers, peak, bandwidth }) {
      const shapes = {};
      let [low, depthwise, best, all] = [0, 0, 0, 0];
      layers.forEach(([kind, macs, maps, weights], at) => {
        const intensity = (batch_size * macs) / (bytes_per_element * (batch_size * maps + weights));
        const roof = Math.min(peak, intensity * bandwidth);
        low += roof < peak;
        depthwise += kind === "depthwise" && roof < peak;
        best += macs / roof;
        all += macs;
        shapes[`dot-${at + 1}`] = {
          cx: round(40 + (430 * Math.log2(8 * Math.min(Math.max(intensity, 1 / 8), 256))) / 11),
          cy: round(230 - (210 * Math.log2((2 * roof) / 1e9)) / 9),
        };
      });
      const summary =
        `Memory sets the roof of ${low} of ${layers.length} layers, of ${depthwise === 13 ? "all 13" : depthwise} ` +
        `depthwise ones. At best ${(1000 * best).toFixed(2)} ms per image, ` +
        `arithmetic alone ${((1000 * all) / peak).toFixed(2)} ms.`;
      return { results: { summary }, shapes };
    },

    to_scale(chosen, table) {
      const layers = layersOf(chosen, table);
      const [macs, params] = ["macs", "params"].map((unit) => withCommas(sum(layers.map((layer) => layer[unit]))));
      const { name, kind, M, N, K, side, ...cost } = layers[chosen.layer - 1];
      const results = {
        summary: `${macs} MACs and ${params} parameters.`,
        layer:
          `${name}: ${kind}, ${K}×${K}, ${M} → ${N} channels, a map of ${side}×${side}. ` +
          `${withCommas(cost.macs)} MACs, ${withCommas(cost.params)} parameters, ` +
          `${fixed(4 * cost.outputs, 1e6, 2)} MB of output in float32.`,
      };
      const { shapes, sizes } = drawNetwork(layers, chosen.resolution, chosen.layer);
      return { results: { ...results, ...sizes }, shapes };
    },
  };

  // Every explorer that no script has taken charge of yet: there may be several on a page.
  for (const form of document.querySelectorAll("form.mobilenet-explorer:not([data-ready])")) {
    form.dataset.ready = "";
    form.noValidate = true;
    const table = JSON.parse(form.dataset.table);
    const show = () => {
      const numbers = [...form.querySelectorAll("input[type=number]")];
      const wrong = numbers.find((input) => !input.checkValidity());
      for (const input of numbers) input.setAttribute("aria-invalid", String(!input.checkValidity()));
      const { results, shapes } = wrong
        ? {
            results: { summary: `${wrong.parentElement.textContent.trim()}: ${wrong.min} to ${wrong.max} in steps of ${wrong.step}.` },
            shapes: {},
          }
        : calculators[form.dataset.calculator](
            Object.fromEntries(numbers.map((input) => [input.name, input.valueAsNumber])), table);
      for (const place of form.querySelectorAll("[data-result]")) place.textContent = results[place.dataset.result] ?? "–";
      for (const [name, attributes] of Object.entries(shapes)) {
        const part = form.querySelector(`[data-shape="${name}"]`);
        for (const [attribute, value] of Object.entries(attributes)) part.setAttribute(attribute, value);
      }
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", ({ target }) => {
      for (const input of target.closest("div").querySelectorAll("input")) if (input !== target) input.value = target.value;
      show();
    });
    if (form.elements.layer) {
      form.querySelector("svg").addEventListener("pointerdown", ({ target }) => {
        if (!target.dataset.layer) return;
        form.elements.layer.value = target.dataset.layer;
        form.elements.layer.dispatchEvent(new Event("input", { bubbles: true }));
      });
    }
    show();
  }
})();

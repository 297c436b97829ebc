(() => {
  const withCommas = (number) => number.toLocaleString("en-GB");

  // Decimal notation of numerator / denominator, halves rounded up, by whole numbers as in explorers.py.
  const fixed = (numerator, denominator, digits) => {
    const scale = 10 ** digits;
    const scaled = Math.floor((2 * scale * numerator + denominator) / (2 * denominator));
    return `${Math.floor(scaled / scale)}.${String(scaled % scale).padStart(digits, "0")}`;
  };

  const gcd = (a, b) => (b ? gcd(b, a % b) : a);

  const calculators = {
    layer({ in_channels: M, out_channels: N, kernel_size: K, map_size: F }) {
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
      return results;
    },

    network({ width_multiplier, resolution, num_classes, budget_macs, budget_params }, table) {
      const row = table[`${Math.round(100 * width_multiplier)}-${resolution}`];
      const [features, largest, together] = row.slice(6);
      const macs = [...row.slice(0, 3), features * num_classes];
      const params = [...row.slice(3, 6), (features + 1) * num_classes];
      const results = {};
      const sum = (numbers) => numbers.reduce((a, b) => a + b);
      for (const [unit, numbers] of Object.entries({ macs, params })) {
        const all = sum(numbers);
        ["standard", "depthwise", "pointwise", "classifier", "all"].forEach((kind, index) => {
          const number = kind === "all" ? all : numbers[index];
          results[`${kind}-${unit}`] = withCommas(number);
          results[`${kind}-${unit}-share`] = `${fixed(100 * number, all, 2)} %`;
        });
      }
      const against = (number, budget, unit) =>
        `${withCommas(number)} ${unit}, ${number <= budget * 1e6 ? "within" : "over"} ` +
        `the budget of ${withCommas(budget)} million`;
      results.summary =
        `${against(sum(macs), budget_macs, "MACs")}; ${against(sum(params), budget_params, "parameters")}. ` +
        `Activations in float32: ${fixed(4 * together, 1e6, 2)} MB for the outputs of all convolutions together, ` +
        `${fixed(4 * largest, 1e6, 2)} MB for the largest one.`;
      return results;
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
      const results = wrong
        ? { summary: `${wrong.parentElement.textContent.trim()}: ${wrong.min} to ${wrong.max} in steps of ${wrong.step}.` }
        : calculators[form.dataset.calculator](
            Object.fromEntries(numbers.map((input) => [input.name, input.valueAsNumber])), table);
      for (const place of form.querySelectorAll("[data-result]")) place.textContent = results[place.dataset.result] ?? "–";
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", ({ target }) => {
      for (const input of target.closest("div").querySelectorAll("input")) if (input !== target) input.value = target.value;
      show();
    });
    show();
  }
})();

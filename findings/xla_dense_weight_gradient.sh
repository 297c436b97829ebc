#!/usr/bin/env bash
# jax 0.10.2, jaxlib 0.10.2, on the CPU.
# Guess: the gradient of a depthwise layer for its weights takes the multiply-adds of its forward pass, as for any convolution, and
#        jax's cost_analysis says so before and after compiling.
# Really: it does for the gradient for the inputs. For the weights, XLA compiles a dense convolution of every channel with every
#         channel (256 channels: f32[256,3,3,256] for 256 filters of 3x3). Lowered, not compiled, the gradient counts one forward
#         pass; compiled, as many as there are channels. The time is printed only: it does not grow like that.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import time
import jax

def layer(weights, inputs):
    layout, channels = ("NHWC", "HWIO", "NHWC"), inputs.shape[-1]
    return jax.lax.conv_general_dilated(inputs, weights, (1, 1), "SAME", None, None, layout, channels)

ways = {  # each of the weights, the inputs and the gradient of the outputs
    "forward pass": lambda w, x, g: layer(w, x),
    "gradient for the inputs": lambda w, x, g: jax.vjp(lambda x: layer(w, x), x)[1](g),
    "gradient for the weights": lambda w, x, g: jax.vjp(lambda w: layer(w, x), w)[1](g),
}
for channels in (32, 256):
    shapes, forward = ((3, 3, 1, channels), (4, 28, 28, channels), (4, 28, 28, channels)), None
    arrays = [jax.random.normal(key, shape) for key, shape in zip(jax.random.split(jax.random.key(0), 3), shapes)]
    for name, way in ways.items():
        compiled, times = (lowered := jax.jit(way).lower(*arrays)).compile(), []
        for _ in range(5):
            start = time.perf_counter()
            jax.block_until_ready(compiled(*arrays)), times.append(time.perf_counter() - start)
        seen = [lowered.cost_analysis()["flops"], compiled.cost_analysis()["flops"], min(times)]
        forward = forward or seen
        print("%d channels, %s: lowered %.4g, compiled %.4g, time %.2g" % (channels, name, *(a / b for a, b in zip(seen, forward))))
        dense = name == "gradient for the weights"
        assert 0.99 < seen[0] / forward[0] < 1.01 and 0.99 < seen[1] / forward[1] / (channels if dense else 1) < 1.01, "changed"
        assert (f"f32[{channels},3,3,{channels}]" in compiled.as_text()) == dense, "this is compiled otherwise now"
PYTHON

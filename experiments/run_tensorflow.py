"""What TensorFlow itself computes with Google's released graph, stored once as the answer that ours is held against.

    python experiments/run_tensorflow.py

Makes a throw-away environment with tensorflow-cpu 2.21.0 (about 2 GB), runs the graph there on the twenty-eight
pictures of released.py and writes results/tensorflow_logits.npy, (28, 1001). Nothing else here imports TensorFlow.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parent / "results" / "tensorflow_logits.npy"

THERE = """
import sys
import numpy as np
import tensorflow as tf

file, images, target = sys.argv[1:]
graph_def = tf.compat.v1.GraphDef.FromString(open(file, "rb").read())
[entry] = [node.name for node in graph_def.node if node.op == "Placeholder"]
with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
    tf.import_graph_def(graph_def, name="")
    logits = [
        session.run("MobilenetV1/Logits/SpatialSqueeze:0", {entry + ":0": image[None]}).reshape(1001)
        for image in np.load(images)
    ]
np.save(target, np.stack(logits))
"""


def main() -> None:
    import torch
    from released import graph_file, things

    from mobilenet_edu.weights import prepare

    images = torch.cat([prepare(picture) for picture in things().values()]).permute(0, 2, 3, 1)  # as TensorFlow lies
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "graph.pb").write_bytes(graph_file())
        (folder / "there.py").write_text(THERE, encoding="utf-8")
        np.save(folder / "images.npy", images.numpy())
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "tensorflow-cpu==2.21.0"], check=True)
        files = [folder / "graph.pb", folder / "images.npy", folder / "logits.npy"]
        subprocess.run([python, folder / "there.py", *files], check=True)
        logits = np.load(folder / "logits.npy")
    np.save(TARGET, logits)
    print(f"{TARGET.name}: {logits.shape}, from {logits.min():.1f} to {logits.max():.1f}")


if __name__ == "__main__":
    main()

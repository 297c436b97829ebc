"""From one convolution to MobileNet V1: the package that every chapter of the book imports.

Nothing is imported here, so that the calculators in `mobilenet_edu.cost` and `mobilenet_edu.architecture` start in
milliseconds, without torch. Import the module that you need: ``from mobilenet_edu.network import MobileNetV1``.
"""

__version__ = "0.1.0"

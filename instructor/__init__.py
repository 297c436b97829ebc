"""The instructor kit: graded assignments, their hand-outs, and a grader for a folder of notebooks.

``python -m instructor`` prints how to use it; appendix E of the book explains it. Linux only, for `bwrap` keeps the
students' code apart. Nothing here is in the package that students install.
"""

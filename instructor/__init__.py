"""The instructor kit: graded assignments, their hand-outs, and a grader for a folder of notebooks.

``python -m instructor --help`` says how to use it, and appendix E of the book explains it. Grading needs Linux, for
`bwrap` keeps the students' code apart. Nothing here is in the package that students install.
"""

"""The verifier that goes into every bundle: Python 3.9 and its standard library, and nothing else.

Its modules are joined into the one file ``verify.py`` (`broadcaster.ledger.shipped`). It shares no
code with the verifier beside it, so that each is a judge of the other.
"""

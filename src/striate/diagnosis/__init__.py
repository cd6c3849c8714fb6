"""What is wrong with a training: evidence → verdict → one command to try.

symptoms.py and look.py note at a training's end what its folder would not tell otherwise; evidence.py gathers what the
folder says; one module per family of faults holds small functions evidence → Diagnosis; diagnose.py ranks what they
find, causes before what they cause.
"""

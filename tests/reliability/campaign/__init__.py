"""The fault campaign: rounds of load with faults at random moments, each made from its seed.

``plan`` turns a seed into what is done when; ``site`` is a server with agents on a disk, a network
and a clock of its own; ``faults`` does to it what the plan says; ``promises`` looks at what came of
it; ``rounds`` plays one seed. ``python -m tests.reliability.campaign`` plays many, or one again.
"""

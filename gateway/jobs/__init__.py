"""The life of a job: accept, schedule, claim, run, abort, results."""

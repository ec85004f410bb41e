"""Why a job ran, waits or did not run: condition by condition, from what is stored."""

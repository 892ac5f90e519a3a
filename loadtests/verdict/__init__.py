"""What was sent and measured, judged: thresholds, validity, baseline, and the files that say so."""

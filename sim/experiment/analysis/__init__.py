"""What replications say together: estimates, precision, comparisons and expectations."""

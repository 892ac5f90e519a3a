"""Analysis over replications: estimates, precision, comparisons and expectations."""

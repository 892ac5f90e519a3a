"""The reference exchange's records and rules: withdrawals, tickets, ledger, addresses."""

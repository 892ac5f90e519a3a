"""The reference exchange back end: a small real service to run load tests against.

Withdrawals in Gate's v4 shape, tickets in Zendesk's v2 shape, login, health and an administrative read, on
Starlette, uvicorn and SQLite (WAL) or PostgreSQL. Money is held in integer units; decimal strings stand at the edges
only.

How an account comes to be: any customer number from 0 to ``registered_customers`` is a customer. The first
withdrawal request of an account in a currency opens its balance there, in the same transaction, with a ledger
transfer of the opening balance from the house account ``funding``. Nothing is seeded beforehand, no balance appears
without a transfer, and the sum over all accounts, the house's included, stays zero in every currency.
"""

"""Closed forms and exact numerical answers of queueing theory, with their sources; the engines are tested by them.

Rates and times share one unit of the caller's choice: rates per hour go with hours. Nothing here knows the model.
"""

from sim.theory.concurrency import SharedAttention, shared_attention
from sim.theory.feedback import Hawkes, Ruin, final_size, hawkes, hawkes_shock, ruin, unconfirmed
from sim.theory.impatience import (
    ErlangA,
    ImpatientQueue,
    Patience,
    deterministic_patience,
    erlang_a,
    exponential_patience,
    lognormal_patience,
    mmn_g,
)
from sim.theory.networks import Jackson, Priorities, cobham, jackson_open
from sim.theory.queues import (
    ErlangC,
    StationaryQueue,
    birth_death,
    erlang_b,
    erlang_c,
    mean_residual,
    mg1,
    mm1_run_length,
)
from sim.theory.support_desk import (
    ByType,
    Funnel,
    PoissonGamma,
    agent_first_contact,
    complaint_hazard_deterministic,
    complaint_hazard_exponential,
    complaint_probability_deterministic,
    complaint_probability_exponential,
    complaint_probability_mmc,
    funnel,
    funnel_by_type,
    lognormal_parameters,
    poisson_gamma,
)
from sim.theory.transient import FluidSurge, TransientQueue, fluid_surge, mt_mmc, mtginf_sinusoid

__all__ = [
    "ByType",
    "ErlangA",
    "ErlangC",
    "FluidSurge",
    "Funnel",
    "Hawkes",
    "ImpatientQueue",
    "Jackson",
    "Patience",
    "PoissonGamma",
    "Priorities",
    "Ruin",
    "SharedAttention",
    "StationaryQueue",
    "TransientQueue",
    "agent_first_contact",
    "birth_death",
    "cobham",
    "complaint_hazard_deterministic",
    "complaint_hazard_exponential",
    "complaint_probability_deterministic",
    "complaint_probability_exponential",
    "complaint_probability_mmc",
    "deterministic_patience",
    "erlang_a",
    "erlang_b",
    "erlang_c",
    "exponential_patience",
    "final_size",
    "fluid_surge",
    "funnel",
    "funnel_by_type",
    "hawkes",
    "hawkes_shock",
    "jackson_open",
    "lognormal_parameters",
    "lognormal_patience",
    "mean_residual",
    "mg1",
    "mm1_run_length",
    "mmn_g",
    "mt_mmc",
    "mtginf_sinusoid",
    "poisson_gamma",
    "ruin",
    "shared_attention",
    "unconfirmed",
]

"""The safety lines of the product as mutations, and a campaign that demands of each that a test notices it."""

from devtools.mutations import accounts, broker, gateway, restores, store, workers
from devtools.mutations.mutation import Mutation, NotThere

__all__ = ["MUTATIONS", "Mutation", "NotThere"]

MUTATIONS: tuple[Mutation, ...] = (
    *broker.MUTATIONS,
    *workers.MUTATIONS,
    *store.MUTATIONS,
    *gateway.MUTATIONS,
    *accounts.MUTATIONS,
    *restores.MUTATIONS,
)

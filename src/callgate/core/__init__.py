"""The pure core: no sockets, clock, environment, logging or randomness; time is an argument."""

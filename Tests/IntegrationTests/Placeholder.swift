// Scenarios with real peers.
